//! Changes to headers, which listeners, services and routes make.

use std::collections::BTreeMap;

use super::section;

section! {
    /// Changes to headers: removed first, then set, then added. In values, variables such as ${client_ip} are filled in.
    HeaderChanges {
        /// Replaced, or added when missing.
        #[schemars(extend("x-key-syntax" = "header-name", "x-syntax" = "header-value"))]
        set: BTreeMap<String, String> = BTreeMap::new(),
        /// Added beside what is there.
        #[schemars(extend("x-key-syntax" = "header-name", "x-syntax" = "header-value"))]
        add: BTreeMap<String, String> = BTreeMap::new(),
        /// Added when missing.
        #[schemars(extend("x-key-syntax" = "header-name", "x-syntax" = "header-value"))]
        default: BTreeMap<String, String> = BTreeMap::new(),
        /// Removed.
        #[schemars(extend("x-syntax" = "header-name"))]
        remove: Vec<String> = Vec::new(),
    }
}
