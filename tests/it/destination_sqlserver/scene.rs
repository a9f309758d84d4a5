//! A destination before a scripted server.

use std::sync::Arc;
use std::time::Duration;

use keepstep::destination::sqlserver::{SqlServerDestination, SqlServerSettings};
use keepstep::destination::{DestinationError, Trouble, WhichHeld};
use keepstep::model::checkpoint::{Checkpoint, OwnerToken};
use keepstep::model::mutation::Mutations;
use uuid::Uuid;

use crate::destination_conformance::scene::{self as conformance, Lane};
use crate::tds_server::Server;

/// The password of the connection strings.
pub const PASSWORD: &str = "hunter2";
/// So long a test waits for a server that never answers.
pub const SHORT: Duration = Duration::from_millis(300);

/// Settings that reach a server on this machine without TLS.
pub fn settings(server: &Server) -> SqlServerSettings {
    with_string(format!(
        "Server=tcp:127.0.0.1,{};Database=crm;User ID=sync;Password={PASSWORD};Encrypt=False",
        server.port
    ))
}

pub fn with_string(text: String) -> SqlServerSettings {
    SqlServerSettings::new(Arc::new(move || Ok(text.clone())))
}

/// Settings that soon give a server up that says nothing.
pub fn impatient(server: &Server) -> SqlServerSettings {
    let mut settings = settings(server);
    settings.connect_timeout = SHORT;
    settings.command_timeout = SHORT;
    settings
}

/// A lane at its beginning, as if it had been taken.
pub fn lane(settings: SqlServerSettings) -> Lane {
    let destination = SqlServerDestination::new(settings, Mutations::default()).unwrap();
    let activation = conformance::activation(&[&conformance::letters("account", true)]);
    Lane {
        destination: Arc::new(destination),
        id: conformance::lane_id(&activation, 0),
        token: OwnerToken(Uuid::new_v4()),
        checkpoint: Checkpoint::beginning(),
    }
}

/// Asks something small: which changes are held. There are none.
pub async fn ask(lane: &Lane) -> Result<(), DestinationError> {
    let held = lane.destination.held(&lane.id, WhichHeld::All, None, 10).await?;
    assert_eq!(held, []);
    Ok(())
}

/// What a question came to: worked, or the code of what is tried again or needs a person.
pub async fn asked(lane: &Lane) -> String {
    match ask(lane).await {
        Ok(()) => "worked".to_owned(),
        Err(DestinationError::Retry(trouble)) => format!("retry {}", told(&trouble)),
        Err(DestinationError::Fatal(trouble)) => format!("fatal {}", told(&trouble)),
    }
}

/// The code of a trouble that says nothing it must not say.
pub fn told(trouble: &Trouble) -> String {
    let all = format!("{trouble} {trouble:?}");
    for secret in [PASSWORD, "content-of-a-record", "token-number"] {
        assert!(!all.contains(secret), "{all}");
    }
    assert!(!trouble.hint.is_empty(), "{all}");
    trouble.code.to_string()
}
