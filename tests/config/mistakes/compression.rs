//! Compression and decompression.

use crate::support::{GOOD, bad, good, only_mistake, told};

/// A file whose listener has these keys.
fn with_listener(keys: &str) -> String {
    GOOD.replacen("[[listener]]\n", &format!("[[listener]]\n{keys}\n"), 1)
}

/// The suggestion and the help of the only complaint.
fn advice(text: &str) -> (Option<String>, String) {
    let diagnostics = bad(text);
    let only = diagnostics.iter().next().unwrap();
    (only.suggestion.clone(), only.help.clone().unwrap_or_default())
}

#[test]
fn what_can_t_be_used_is_told_with_what_was_meant() {
    for (keys, mistake, near) in [
        ("compress = 'on'", "listener[0].compress: `compress` can't be a string", None),
        (
            "compress = { algorithms = ['brotli'] }",
            "listener[0].compress.algorithms[0]: `algorithms` can't be \"brotli\"",
            Some("br"),
        ),
        (
            "compress = { algorithms = ['gzp'] }",
            "listener[0].compress.algorithms[0]: `algorithms` can't be \"gzp\"",
            Some("gzip"),
        ),
        (
            "compress = { algorithms = ['deflate'] }",
            "listener[0].compress.algorithms[0]: `algorithms` can't be \"deflate\"",
            Some("gzip"),
        ),
        ("compress = { level = { gzip = 10 } }", "listener[0].compress.level.gzip: `gzip` is out of range", None),
        ("compress = { level = { br = 11 } }", "listener[0].compress.level.br: `br` is out of range", None),
        (
            "compress = { types = ['json'] }",
            "listener[0].compress.types[0]: `json` is no media type",
            Some("application/json"),
        ),
        ("compress = { min_size = '1kb' }", "listener[0].compress.min_size: `1kb` can't be read", Some("1KiB")),
        (
            "compress = { gzip_types = ['text/css'] }",
            "listener[0].compress.gzip_types: unknown key `gzip_types`",
            Some("types"),
        ),
        (
            "compress = { min_length = '1KiB' }",
            "listener[0].compress.min_length: unknown key `min_length`",
            Some("min_size"),
        ),
        ("gzip = true", "listener[0].gzip: unknown key `gzip`", Some("compress")),
        ("compression = true", "listener[0].compression: unknown key `compression`", Some("compress")),
        ("gunzip = true", "listener[0].gunzip: unknown key `gunzip`", Some("decompress")),
    ] {
        let text = with_listener(keys);
        assert_eq!(only_mistake(&text), mistake);
        assert_eq!(advice(&text).0.as_deref(), near, "{keys}");
    }
}

#[test]
fn what_has_no_effect_is_told() {
    for (keys, warning) in [
        ("compress = { algorithms = [] }", "nothing is compressed without `algorithms`"),
        ("compress = { types = [] }", "nothing is compressed without `types`"),
        ("compress = { types = ['text/event-stream'] }", "is never compressed: events have to arrive one by one"),
        ("compress = { types = ['application/grpc'] }", "is never compressed: messages of gRPC"),
        ("compress = { types = ['image/png', 'text/*'] }", "is never compressed: it is compressed by itself"),
    ] {
        let warnings = told(&good(&with_listener(keys)).warnings);
        assert!(warnings.iter().any(|told| told.contains(warning)), "{keys}: {warnings:?}");
    }
    for fine in ["compress = true", "compress = { types = ['*/*', 'image/*'] }", "decompress = true"] {
        assert!(good(&with_listener(fine)).warnings.is_empty(), "{fine}");
    }
}
