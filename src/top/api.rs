//! What the live view asks of an admin address. The command line implements it, which knows addresses, tokens and TLS.

use serde_json::Value;

/// An admin address that can be asked from several threads.
pub trait AdminApi: Send + Sync + 'static {
    /// Sends a request once. `path` is what comes behind `/api/v1`, name by name and not encoded; `body` makes it a POST.
    ///
    /// # Errors
    ///
    /// A sentence for people, when there is no answer.
    fn ask(&self, path: &[&str], query: &[(&str, &str)], body: Option<&Value>) -> Result<Reply, String>;
}

/// An answer of the admin address.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The status of HTTP.
    pub status: u16,
    /// The body; null where it is no JSON.
    pub body: Value,
}

impl Reply {
    /// The body of an answer that is a success.
    ///
    /// # Errors
    ///
    /// The answer's own words on what went wrong, with its status.
    pub fn success(self) -> Result<Value, String> {
        if self.status == 200 { Ok(self.body) } else { Err(format!("{} ({})", self.detail(), self.status)) }
    }

    /// The sentence for people in an error.
    pub fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or("the answer says no more").trim_end()
    }
}
