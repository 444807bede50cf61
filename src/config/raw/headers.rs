//! Changes to headers, which listeners, services and routes make.

use std::collections::BTreeMap;

use super::{section, words};
use crate::config::units::TimeSpan;

section! {
    /// Changes to headers: removed first, then set, then added. In values, variables such as ${client_ip} are filled in.
    HeaderChanges {
        /// Fields that are replaced, or added when missing.
        #[schemars(extend("x-key-syntax" = "header-name", "x-syntax" = "header-value"))]
        set: BTreeMap<String, String> = BTreeMap::new(),
        /// Fields that are added beside those that are there.
        #[schemars(extend("x-key-syntax" = "header-name", "x-syntax" = "header-value"))]
        add: BTreeMap<String, String> = BTreeMap::new(),
        /// Added when missing.
        #[schemars(extend("x-key-syntax" = "header-name", "x-syntax" = "header-value"))]
        default: BTreeMap<String, String> = BTreeMap::new(),
        /// Fields that are removed.
        #[schemars(extend("x-syntax" = "header-name"))]
        remove: Vec<String> = Vec::new(),
    }
}

words! {
    /// Headers that keep pages safe, for answers that say nothing about the same.
    SecurityHeaders { Off = "off", Standard = "standard", Strict = "strict", }
}

section! {
    /// Which pages of other origins may use a route; preflights are answered by Evenkeel.
    #[schemars(extend("required" = ["origins"]))]
    Cors {
        /// Origins whose pages may, such as "https://app.example" or "https://*.example.com"; ["*"] = all.
        #[schemars(extend("x-syntax" = "origin"))]
        origins: Vec<String> = Vec::new(),
        /// Methods that pages may use; ["*"] = all.
        #[schemars(extend("x-syntax" = "method"))]
        methods: Vec<String> = ["GET", "HEAD", "POST"].map(str::to_owned).to_vec(),
        /// Headers that pages may send beside those that need no permission; ["*"] = all but Authorization.
        #[schemars(extend("x-syntax" = "header-name"))]
        headers: Vec<String> = Vec::new(),
        /// Headers of answers that pages may read beside those that need no permission; ["*"] = all.
        #[schemars(extend("x-syntax" = "header-name"))]
        expose: Vec<String> = Vec::new(),
        /// true = pages may send cookies and the like.
        credentials: bool = false,
        /// How long browsers may keep the answer to a preflight.
        max_age: TimeSpan = TimeSpan::secs(600),
    }
}
