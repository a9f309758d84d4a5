//! Access tokens of Microsoft Entra, for databases without passwords.
//!
//! A token lives about an hour and counts when a connection is made, so each new connection asks
//! for one. Whoever gives them may keep one for as long as it is good.
//! Source: SQL Server documentation, "Microsoft Entra authentication"; the token's audience is
//! `https://database.windows.net/`.

use std::sync::Arc;

use async_trait::async_trait;

/// Gives access tokens.
#[async_trait]
pub trait Credential: Send + Sync {
    /// A token that is good now. Bounded in time by its caller.
    ///
    /// # Errors
    /// Why there is none and what to do, without anything secret.
    async fn access_token(&self) -> Result<String, String>;
}

/// Tokens that something else keeps fresh in a file or an environment variable.
pub struct KeptToken(Arc<dyn Fn() -> Result<String, String> + Send + Sync>);

impl KeptToken {
    /// Tokens from this source, which is asked each time.
    pub fn new(source: Arc<dyn Fn() -> Result<String, String> + Send + Sync>) -> Self {
        Self(source)
    }
}

#[async_trait]
impl Credential for KeptToken {
    async fn access_token(&self) -> Result<String, String> {
        let token = (self.0)()?;
        let token = token.trim();
        if token.is_empty() {
            return Err("the access token is empty: let its keeper write a fresh one".to_owned());
        }
        Ok(token.to_owned())
    }
}
