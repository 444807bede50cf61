//! How many sessions a backend has, as far as anybody knows.

use serde_json::{Value, json};

/// The sessions that affinity binds to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// Its service has no affinity.
    None,
    /// So many are in the service's table.
    InTable(usize),
    /// Nobody knows how many: the clients hold them, in cookies.
    InCookies,
}

impl Sessions {
    /// How many they are; `None` = nobody knows.
    pub fn count(self) -> Option<usize> {
        match self {
            Self::None => Some(0),
            Self::InTable(count) => Some(count),
            Self::InCookies => None,
        }
    }

    /// Adds to a JSON object how many they are, and by what they are held.
    pub fn add_to(self, object: &mut Value) {
        object["sessions"] = json!(self.count());
        object["sessions_by"] = match self {
            Self::None => Value::Null,
            Self::InTable(_) => json!("table"),
            Self::InCookies => json!("cookie"),
        };
    }
}
