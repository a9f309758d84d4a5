//! Sends statements as one text and reads their answers.
//!
//! One text is one message of the protocol: the server has all of it before it begins with the
//! first statement, and skips the rest once one fails. So a commit at its end is reached only if
//! everything before it worked, and an answer without an error is a commit that took place.

use futures_util::TryStreamExt as _;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::failure::Failure;

/// The answer to one statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Rows that it touched or, if it answers rows, their number.
    pub count: u64,
    /// The rows that it answered, as text.
    pub rows: Vec<Vec<Option<String>>>,
}

/// A statement that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// Its number among those sent.
    pub statement: usize,
    /// Why.
    pub failure: Failure,
}

/// Sends a text of `count` statements and reads the answer to each.
pub(super) async fn send(client: &Client, text: &str, count: usize) -> Result<Vec<Answer>, Failed> {
    let mut answers: Vec<Answer> = Vec::with_capacity(count);
    let failed = |statement, error: tokio_postgres::Error| Failed {
        statement,
        failure: Failure::from(error),
    };
    let stream = client.simple_query_raw(text).await.map_err(|error| failed(0, error))?;
    let mut stream = std::pin::pin!(stream);
    let mut rows = Vec::new();
    loop {
        match stream.try_next().await {
            Ok(Some(SimpleQueryMessage::Row(row))) => {
                let cells = (0..row.len()).map(|at| row.get(at).map(str::to_owned));
                rows.push(cells.collect());
            }
            Ok(Some(SimpleQueryMessage::CommandComplete(count))) => {
                answers.push(Answer { count, rows: std::mem::take(&mut rows) });
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => return Err(failed(answers.len(), error)),
        }
    }
    if answers.len() == count {
        Ok(answers)
    } else {
        Err(Failed { statement: answers.len(), failure: Failure::Protocol })
    }
}
