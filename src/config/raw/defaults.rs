//! `[defaults]`: what each service and each listener has where it says nothing else.
//!
//! The defaults are put into the services and listeners before these types are made (`defaults.rs`), so here they are only what the schema says of them: the
//! keys of a service, and those of a listener.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::{Listener, Service, section};

section! {
    /// What each service and each listener has where it says nothing else.
    Defaults {
        /// Keys of a service, but `backend` and `discover`.
        service: ServiceDefaults = ServiceDefaults {},
        /// Keys of a listener, but `name` and `bind`.
        listener: ListenerDefaults = ListenerDefaults {},
    }
}

/// The keys of a service that may have defaults.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(in crate::config) struct ServiceDefaults {}

/// The keys of a listener that may have defaults.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(in crate::config) struct ListenerDefaults {}

impl JsonSchema for ServiceDefaults {
    fn schema_name() -> Cow<'static, str> {
        "ServiceDefaults".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        without(Service::json_schema(generator), &["backend", "discover"])
    }
}

impl JsonSchema for ListenerDefaults {
    fn schema_name() -> Cow<'static, str> {
        "ListenerDefaults".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        without(Listener::json_schema(generator), &["name", "bind"])
    }
}

/// The schema of a table without some of its keys, and with none that must be there.
fn without(mut table: Schema, keys: &[&str]) -> Schema {
    table.remove("required");
    if let Some(Value::Object(properties)) = table.get_mut("properties") {
        properties.retain(|key, _| !keys.contains(&key.as_str()));
    }
    table
}
