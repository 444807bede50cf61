//! `compress` of a listener or a route.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{section, words};
use crate::config::units::Size;

words! {
    /// A content coding.
    Algorithm { Zstd = "zstd", Br = "br", Gzip = "gzip", }
}

section! {
    /// How answers are compressed.
    Compression {
        /// What may be used; the first is preferred where a client likes several equally well.
        algorithms: Vec<Algorithm> = vec![Algorithm::Zstd, Algorithm::Br, Algorithm::Gzip],
        /// Media types that are compressed: "text/html", "text/*", or "+json" for all whose names end in it.
        #[schemars(extend("x-syntax" = "media-type"))]
        types: Vec<String> = TYPES.map(str::to_owned).to_vec(),
        /// Answers with a shorter body are not compressed.
        #[schemars(extend("minimum" = 0, "maximum" = 1_073_741_824))]
        min_size: Size = Size(1024),
        /// How hard each algorithm tries.
        level: CompressionLevels = CompressionLevels::default(),
    }
}

section! {
    /// How hard each algorithm tries: more takes more time.
    CompressionLevels {
        /// 1 to 9.
        #[schemars(range(min = 1, max = 9))]
        gzip: u32 = 2,
        /// 0 to 9.
        #[schemars(range(min = 0, max = 9))]
        br: u32 = 3,
        /// 1 to 9.
        #[schemars(range(min = 1, max = 9))]
        zstd: u32 = 3,
    }
}

/// What is compressed where nothing else is said: text, and the formats that pages and APIs are made of.
const TYPES: [&str; 14] = [
    "text/*",
    "+json",
    "+xml",
    "application/json",
    "application/javascript",
    "application/x-javascript",
    "application/xml",
    "application/wasm",
    "application/x-ndjson",
    "application/yaml",
    "application/vnd.ms-fontobject",
    "font/otf",
    "font/ttf",
    "image/bmp",
];

/// Whether answers are compressed, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::config) enum Compress {
    /// As it is by default, or not at all.
    Switch(bool),
    /// In this way.
    With(Box<Compression>),
}

impl Compress {
    /// They are not.
    pub(in crate::config) const OFF: Self = Self::Switch(false);
}

impl JsonSchema for Compress {
    fn schema_name() -> Cow<'static, str> {
        "Compress".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Compression::json_schema(generator);
        schema.insert("type".to_owned(), serde_json::json!(["boolean", "object"]));
        schema
    }
}
