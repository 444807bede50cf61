//! `[[notify]]`.

use super::section;

section! {
    /// Events to somebody's webhook.
    #[schemars(extend("required" = ["name", "webhook"]))]
    Notify {
        /// Its name in the log, the metrics and its messages; unique.
        #[schemars(extend("x-syntax" = "name"))]
        name: Option<String> = None,
        /// Where messages are posted to: an http or https URL.
        #[schemars(extend("x-syntax" = "webhook"))]
        webhook: Option<String> = None,
        /// Which events: levels ("info", "warn", "error": that one and those above), kinds, or groups of kinds such as "backend_*".
        #[schemars(extend("x-syntax" = "event"))]
        on: Vec<String> = vec!["warn".to_owned()],
        /// File with the secret that messages are signed with.
        #[schemars(extend("x-syntax" = "text"))]
        secret_file: Option<String> = None,
        /// PEM file with the authorities that the webhook's certificate is verified against; default: the system's.
        #[schemars(extend("x-syntax" = "text"))]
        ca: Option<String> = None,
    }
}
