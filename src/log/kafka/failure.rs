//! What an error of Kafka means: whether trying again can help, and what to do next.
//!
//! Pure. Only names of error codes leave through an error, never librdkafka's texts: those of
//! configuration errors quote values.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::observer::Reason;
use crate::log::LogError;

/// Whether trying again can help, and what to do next. A code that is not known is tried again:
/// an outage must never be taken for the end.
pub(super) fn classify(code: Code) -> (bool, &'static str) {
    if let Some(hint) = access(code).or_else(|| agreement(code)).or_else(|| content(code)) {
        return (false, hint);
    }
    let hint = match code {
        Code::AllBrokersDown
        | Code::BrokerTransportFailure
        | Code::Resolve
        | Code::OperationTimedOut
        | Code::RequestTimedOut
        | Code::MessageTimedOut
        | Code::NetworkException => {
            "No broker answers: check the broker addresses, the network and the brokers. \
             It goes on by itself once they answer."
        }
        Code::GroupMaxSizeReached => {
            "The group has as many members as the brokers allow: end some."
        }
        Code::Fatal
        | Code::Fenced
        | Code::InvalidProducerEpoch
        | Code::OutOfOrderSequenceNumber => {
            "The client has to be made anew; that happens by itself."
        }
        _ => "It is tried again; if it stays, look at the brokers' logs.",
    };
    (true, hint)
}

/// Who may do what: login, TLS, rights.
fn access(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::Authentication | Code::SaslAuthenticationFailed | Code::IllegalSASLState => {
            "The brokers refuse the login: check mechanism, user and password."
        }
        Code::UnsupportedSASLMechanism => {
            "The brokers do not offer this SASL mechanism: choose another one."
        }
        Code::SSL => {
            "TLS failed: check that the CA file holds the authority of the brokers' certificates, \
             that the host names are those of the certificates, and that the port speaks TLS."
        }
        Code::TopicAuthorizationFailed => {
            "Grant READ and DESCRIBE (to append: WRITE) on the topic to this user."
        }
        Code::GroupAuthorizationFailed => "Grant READ on the consumer group to this user.",
        Code::ClusterAuthorizationFailed | Code::TransactionalIdAuthorizationFailed => {
            "Grant IDEMPOTENT_WRITE on the cluster or WRITE on the topic to this user."
        }
        Code::PolicyViolation => "A policy of the cluster forbids it: ask its operator.",
        _ => return None,
    })
}

/// What settings, cluster and other members must agree on.
fn agreement(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::UnknownTopicOrPartition
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicId
        | Code::InvalidTopic => {
            "The topic or partition does not exist, or may not be seen: create it or check its name."
        }
        Code::InconsistentGroupProtocol => {
            "Another member of the group uses another assignment strategy: give all the same."
        }
        Code::InvalidSessionTimeout => {
            "The brokers do not allow this session time-out: choose another one."
        }
        Code::InvalidGroupId => "The brokers do not allow this group name.",
        Code::FencedInstanceId | Code::UnreleasedInstanceId => {
            "Another process uses the same group.instance.id: give each its own."
        }
        Code::InvalidConfig
        | Code::InvalidArgument
        | Code::UnsupportedVersion
        | Code::UnsupportedFeature
        | Code::NotImplemented => "The cluster or a setting does not allow this.",
        _ => return None,
    })
}

/// What lies on the log, or shall.
fn content(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize => {
            "Raise message.max.bytes of broker and topic, or make the record smaller."
        }
        Code::InvalidRecord | Code::InvalidTimestamp => {
            "The topic does not take such a record: a compacted topic needs a key."
        }
        Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation => {
            "The place is not on the topic any more (retention, or the topic was made anew): \
             re-sync the entity."
        }
        Code::BadMessage
        | Code::BadCompression
        | Code::InvalidMessage
        | Code::UnsupportedCompressionType => {
            "Stored records are damaged or of a kind that cannot be read: check the brokers' disks."
        }
        _ => return None,
    })
}

/// Whether a global error of a client is the reason why everything else times out.
pub(super) fn explains_time_outs(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::SSL
    )
}

/// Whether an error of the group leaves its member of no more use.
pub(super) fn ends_member(code: Code) -> bool {
    matches!(
        code,
        Code::GroupAuthorizationFailed
            | Code::InconsistentGroupProtocol
            | Code::InvalidSessionTimeout
            | Code::InvalidGroupId
            | Code::FencedInstanceId
            | Code::UnreleasedInstanceId
            | Code::Fatal
    )
}

/// An error by its code.
pub(super) fn of_code(what: impl Into<String>, code: Code) -> LogError {
    let (retry, hint) = classify(code);
    LogError { retry, what: what.into(), code: format!("{code:?}"), hint: hint.to_owned() }
}

/// An error by the reason why nothing is answered.
pub(super) fn of_reason(what: impl Into<String>, reason: Reason) -> LogError {
    let error = of_code(what, reason.code);
    LogError { retry: error.retry || !reason.sure, ..error }
}

/// An error of librdkafka.
pub(super) fn of(what: impl Into<String>, error: &KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(code) => of_code(what, code),
        None => LogError {
            retry: true,
            what: what.into(),
            code: kind(error).to_owned(),
            hint: "It is tried again; if it stays, look at the brokers' logs.".to_owned(),
        },
    }
}

/// A client that could not be made.
pub(super) fn of_creation(client: &str, error: &KafkaError) -> LogError {
    LogError {
        retry: false,
        what: format!("cannot create the Kafka client ({client})"),
        code: kind(error).to_owned(),
        hint: "Check the settings: the CA file must be readable PEM, and properties must fit \
               together (librdkafka's CONFIGURATION.md)."
            .to_owned(),
    }
}

/// A thread that could not be started.
pub(super) fn of_thread(error: &std::io::Error) -> LogError {
    LogError {
        retry: true,
        what: "cannot start a thread for the Kafka client".to_owned(),
        code: error.kind().to_string(),
        hint: "Raise the limit of threads of this process or user.".to_owned(),
    }
}

/// The kind of an error that has no code; its text is not used, for it may quote values.
fn kind(error: &KafkaError) -> &'static str {
    match error {
        KafkaError::ClientConfig(..) => "ClientConfig",
        KafkaError::ClientCreation(_) => "ClientCreation",
        KafkaError::AdminOpCreation(_) => "AdminOpCreation",
        KafkaError::Subscription(_) => "Subscription",
        KafkaError::PauseResume(_) => "PauseResume",
        KafkaError::Seek(_) => "Seek",
        KafkaError::Nul(_) => "Nul",
        KafkaError::Canceled => "Canceled",
        _ => "Other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_must_mend_is_not_retried_and_outages_are() {
        for (code, retry, hint) in [
            (Code::Authentication, false, "password"),
            (Code::SaslAuthenticationFailed, false, "password"),
            (Code::UnsupportedSASLMechanism, false, "mechanism"),
            (Code::SSL, false, "CA file"),
            (Code::UnknownTopicOrPartition, false, "create it"),
            (Code::UnknownTopic, false, "create it"),
            (Code::TopicAuthorizationFailed, false, "READ and DESCRIBE"),
            (Code::GroupAuthorizationFailed, false, "consumer group"),
            (Code::ClusterAuthorizationFailed, false, "IDEMPOTENT_WRITE"),
            (Code::InconsistentGroupProtocol, false, "assignment strategy"),
            (Code::InvalidSessionTimeout, false, "session time-out"),
            (Code::FencedInstanceId, false, "group.instance.id"),
            (Code::MessageSizeTooLarge, false, "message.max.bytes"),
            (Code::AutoOffsetReset, false, "re-sync"),
            (Code::OffsetOutOfRange, false, "re-sync"),
            (Code::BadMessage, false, "damaged"),
            (Code::BadCompression, false, "damaged"),
            (Code::AllBrokersDown, true, "No broker answers"),
            (Code::BrokerTransportFailure, true, "No broker answers"),
            (Code::OperationTimedOut, true, "No broker answers"),
            (Code::MessageTimedOut, true, "No broker answers"),
            (Code::Resolve, true, "No broker answers"),
            (Code::NotLeaderForPartition, true, "tried again"),
            (Code::NotEnoughReplicas, true, "tried again"),
            (Code::RebalanceInProgress, true, "tried again"),
            (Code::CoordinatorLoadInProgress, true, "tried again"),
            (Code::ThrottlingQuotaExceeded, true, "tried again"),
            (Code::KafkaStorageError, true, "tried again"),
            (Code::Unknown, true, "tried again"),
            (Code::Fatal, true, "made anew"),
        ] {
            let error = of_code("read topic a", code);
            assert_eq!(error.retry, retry, "{code:?}");
            assert!(error.hint.contains(hint), "{code:?}: {}", error.hint);
            assert_eq!(error.code, format!("{code:?}"));
        }
    }

    #[test]
    fn texts_of_librdkafka_stay_out() {
        let error = of("seek", &KafkaError::Seek("sesame".to_owned()));
        assert!(!error.to_string().contains("sesame"), "{error}");
        let config = KafkaError::ClientConfig(
            rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
            "sesame".to_owned(),
            "sasl.password".to_owned(),
            "sesame".to_owned(),
        );
        assert!(!of("create", &config).to_string().contains("sesame"));
    }

    #[test]
    fn only_group_errors_end_a_member() {
        assert!(ends_member(Code::GroupAuthorizationFailed));
        for code in [Code::AllBrokersDown, Code::SSL, Code::Authentication, Code::UnknownTopic] {
            assert!(!ends_member(code), "{code:?}");
        }
    }
}
