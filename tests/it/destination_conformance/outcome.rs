//! What a case answers: nothing, or what differed.
//!
//! Cases answer instead of panicking, because the same cases must fail, quietly, for an adapter
//! with a fault built in.

use std::fmt::Debug;

/// `Ok`, or a sentence on what differed.
pub type Outcome<T = ()> = Result<T, String>;

/// Compares; `what` says what was compared.
pub fn equal<T: PartialEq + Debug>(what: &str, actual: &T, expected: &T) -> Outcome {
    if actual == expected {
        return Ok(());
    }
    Err(format!("{what}\n  is       {actual:?}\n  not      {expected:?}"))
}

/// Demands a condition.
pub fn holds(what: &str, condition: bool) -> Outcome {
    if condition { Ok(()) } else { Err(what.to_owned()) }
}

/// Unwraps what must have worked.
pub fn worked<T, E: Debug>(what: &str, result: Result<T, E>) -> Outcome<T> {
    result.map_err(|error| format!("{what} failed: {error:?}"))
}

/// Unwraps the error of what must not have worked.
pub fn refused<T: Debug, E>(what: &str, result: Result<T, E>) -> Outcome<E> {
    match result {
        Err(error) => Ok(error),
        Ok(value) => Err(format!("{what} worked and must not: {value:?}")),
    }
}
