//! How a profile names its topics: a template with `{namespace}`, `{organization}`, `{entity}`.
//!
//! `{entity}` may be left out, so that entities share a topic: Event Hubs' Standard tier allows
//! ten hubs per namespace.

use crate::model::position::Topic;

/// Longest name of a topic that Kafka accepts, in characters.
const LONGEST_TOPIC: usize = 249;

/// The template of a profile that has none of its own.
pub(super) const DEFAULT: &str = "{namespace}.{organization}.{entity}";

/// A template and the names of its profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TopicTemplate {
    template: String,
    namespace: String,
    organization: Option<String>,
}

/// What is wrong with a template or with the name that it gives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TemplateError {
    /// A placeholder that does not exist.
    #[error("there is no placeholder {{{0}}}")]
    Unknown(String),
    /// A `{` without `}`, or the other way round.
    #[error("a brace is not closed")]
    Unbalanced,
    /// `{organization}` without an organisation.
    #[error("the topic names {{organization}}, and the profile has none")]
    NoOrganization,
    /// The name is not one that Kafka accepts.
    #[error("{0:?} is no name of a topic")]
    BadName(String),
}

impl TopicTemplate {
    /// A template with the names of its profile.
    ///
    /// # Errors
    /// If it gives no name of a topic even for the shortest entity.
    pub(super) fn new(
        template: &str,
        namespace: &str,
        organization: Option<&str>,
    ) -> Result<Self, TemplateError> {
        let new = Self {
            template: template.to_owned(),
            namespace: namespace.to_owned(),
            organization: organization.map(str::to_owned),
        };
        new.topic("x").map(|_| new)
    }

    /// The topic of an entity.
    ///
    /// # Errors
    /// If the name gets too long.
    pub(super) fn topic(&self, entity: &str) -> Result<Topic, TemplateError> {
        let mut name = String::new();
        let mut rest = self.template.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (placeholder, after) = after.split_once('}').ok_or(TemplateError::Unbalanced)?;
            name.push_str(before);
            name.push_str(match placeholder {
                "namespace" => &self.namespace,
                "organization" => {
                    self.organization.as_deref().ok_or(TemplateError::NoOrganization)?
                }
                "entity" => entity,
                other => return Err(TemplateError::Unknown(other.to_owned())),
            });
            rest = after;
        }
        name.push_str(rest);
        if name.contains('}') {
            return Err(TemplateError::Unbalanced);
        }
        if !is_topic_name(&name) {
            return Err(TemplateError::BadName(name));
        }
        Ok(Topic::new(&name))
    }
}

/// Whether Kafka accepts `name`: 1 to 249 letters, digits, dots, underscores and hyphens.
pub fn is_topic_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty()
        && name.len() <= LONGEST_TOPIC
        && name != "."
        && name != ".."
        && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(template: &str) -> Result<String, TemplateError> {
        let template = TopicTemplate::new(template, "crm", Some("contoso"))?;
        template.topic("contact").map(|topic| topic.as_str().to_owned())
    }

    #[test]
    fn placeholders_are_filled_in() {
        assert_eq!(named(DEFAULT).unwrap(), "crm.contoso.contact");
        assert_eq!(named("all-changes").unwrap(), "all-changes");
        assert_eq!(named("{entity}").unwrap(), "contact");
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(named("{entty}"), Err(TemplateError::Unknown("entty".to_owned())));
        assert_eq!(named("{entity"), Err(TemplateError::Unbalanced));
        assert_eq!(named("entity}"), Err(TemplateError::Unbalanced));
        assert_eq!(named("a b"), Err(TemplateError::BadName("a b".to_owned())));
        assert_eq!(named(""), Err(TemplateError::BadName(String::new())));
        assert_eq!(TopicTemplate::new(DEFAULT, "crm", None), Err(TemplateError::NoOrganization));
    }

    #[test]
    fn the_longest_name_has_249_characters() {
        assert!(is_topic_name(&"x".repeat(249)));
        assert!(!is_topic_name(&"x".repeat(250)));
        assert!(!is_topic_name(".."));
    }
}
