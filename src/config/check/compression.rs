//! `compress` and `decompress` of a listener or a route.

use std::sync::Arc;

use super::Checker;
use crate::config::raw;
use crate::config::syntax;
use crate::config::tree::KeyPath;
use crate::policy::compression::{
    Algorithm, Compression, Levels, MediaRange, MediaTypes, Recoding, is_compressed_by_itself,
};

impl Checker<'_> {
    /// What is done with the content of answers; `inherited` is what holds where nothing is said.
    pub(super) fn recoding(
        &mut self,
        at: &KeyPath,
        compress: Option<&raw::Compress>,
        decompress: Option<bool>,
        inherited: &Recoding,
    ) -> Recoding {
        let compress = match compress {
            None => inherited.compress.clone(),
            Some(raw::Compress::Switch(false)) => None,
            Some(raw::Compress::Switch(true)) => {
                // a route that switches it on means what the listener says of it, if that says something
                let own = || Arc::new(compression(&raw::Compression::default()));
                Some(inherited.compress.clone().unwrap_or_else(own))
            }
            Some(raw::Compress::With(with)) => {
                self.compresses_something(&at.key("compress"), with);
                Some(Arc::new(compression(with)))
            }
        };
        Recoding { compress, decompress: decompress.unwrap_or(inherited.decompress) }
    }

    fn compresses_something(&mut self, at: &KeyPath, raw: &raw::Compression) {
        for (key, is_empty) in [("algorithms", raw.algorithms.is_empty()), ("types", raw.types.is_empty())] {
            if is_empty && self.root.has(&at.key(key)) {
                let mistake = self.mistake(&at.key(key), format!("nothing is compressed without `{key}`"));
                self.report(mistake.warning().help("write `compress = false` where nothing is to be compressed"));
            }
        }
        for (index, text) in raw.types.iter().enumerate() {
            let why = match text.to_ascii_lowercase().as_str() {
                "text/event-stream" => "events have to arrive one by one",
                grpc if grpc.starts_with("application/grpc") => "messages of gRPC have to arrive one by one",
                other if is_compressed_by_itself(other.trim_end_matches('*').as_bytes()) => {
                    "it is compressed by itself"
                }
                _ => continue,
            };
            let mistake = self.mistake(&at.key("types").index(index), format!("`{text}` is never compressed: {why}"));
            self.report(mistake.warning().help("take it out"));
        }
    }
}

fn compression(raw: &raw::Compression) -> Compression {
    let algorithm = |algorithm: &raw::Algorithm| match algorithm {
        raw::Algorithm::Zstd => Algorithm::Zstd,
        raw::Algorithm::Br => Algorithm::Brotli,
        raw::Algorithm::Gzip => Algorithm::Gzip,
    };
    // what can't be read has been reported
    let types = raw.types.iter().filter_map(|text| syntax::media_type(text).ok()).collect::<Vec<MediaRange>>();
    Compression {
        algorithms: raw.algorithms.iter().map(algorithm).collect(),
        types: MediaTypes::new(types),
        min_size: raw.min_size.0,
        levels: Levels { gzip: raw.level.gzip, brotli: raw.level.br, zstd: raw.level.zstd },
    }
}
