//! How the content of answers is compressed and decompressed (`compress` and `decompress` of a listener or a route).

use std::sync::Arc;

/// A content coding that answers are compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RFC 8878.
    Zstd,
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

/// `compress` of a listener or a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compression {
    /// What may be used, the first preferred where a client likes several equally well.
    pub algorithms: Box<[Algorithm]>,
    /// The media types that are compressed.
    pub types: MediaTypes,
    /// Answers with a shorter body are not compressed; in bytes.
    pub min_size: u64,
    /// How hard it is tried.
    pub levels: Levels,
}

/// What is done with the content of answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recoding {
    /// How it is compressed; `None` = it is not.
    pub compress: Option<Arc<Compression>>,
    /// It is decompressed for clients that can't read its coding.
    pub decompress: bool,
}

/// How hard each algorithm tries, in the numbers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    /// 1 to 9.
    pub gzip: u32,
    /// 0 to 9.
    pub brotli: u32,
    /// 1 to 9.
    pub zstd: u32,
}

/// A list of media types.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MediaTypes(Box<[MediaRange]>);

/// Media types that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaRange {
    /// `*/*`: all.
    All,
    /// `text/*`: all of one kind. The text up to its slash, in lower case.
    Kind(Box<str>),
    /// `+json`: all with this structured syntax (RFC 6838, section 4.2.8), with its plus, in lower case.
    Suffix(Box<str>),
    /// One type, in lower case.
    One(Box<str>),
}

/// Media types whose content is compressed by itself, because of which it would become no shorter: by their kind, and the beginning of what follows its slash.
const COMPRESSED: [(&str, &[&str]); 5] = [
    (
        "application",
        &[
            "gzip",
            "java-archive",
            "pdf",
            "vnd.android.package-archive",
            "vnd.openxmlformats",
            "vnd.rar",
            "x-7z-compressed",
            "x-brotli",
            "x-bzip",
            "x-gzip",
            "x-rar",
            "x-xz",
            "zip",
            "zstd",
        ],
    ),
    ("audio", &[""]),
    ("font", &["woff"]),
    ("image", &["avif", "gif", "heic", "jp", "jxl", "png", "webp"]),
    ("video", &[""]),
];

impl Algorithm {
    /// All of them, in the order in which they are preferred by default.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// The name of the content coding.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl Recoding {
    /// Whether anything is done.
    pub fn is_on(&self) -> bool {
        self.compress.is_some() || self.decompress
    }
}

impl Levels {
    /// The level of one algorithm.
    pub fn of(&self, algorithm: Algorithm) -> u32 {
        match algorithm {
            Algorithm::Zstd => self.zstd,
            Algorithm::Brotli => self.brotli,
            Algorithm::Gzip => self.gzip,
        }
    }
}

impl MediaRange {
    /// Reads one as the configuration has it; `None` = it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let is_token = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
        };
        if lower == "*/*" {
            return Some(Self::All);
        }
        if let Some(suffix) = lower.strip_prefix('+') {
            return is_token(suffix).then(|| Self::Suffix(lower.as_str().into()));
        }
        let (kind, sub) = lower.split_once('/').filter(|(kind, _)| is_token(kind))?;
        match sub {
            "*" => Some(Self::Kind(format!("{kind}/").into())),
            sub => is_token(sub).then(|| Self::One(lower.as_str().into())),
        }
    }

    fn has(&self, media_type: &[u8]) -> bool {
        let begins = |with: &str| starts_with(media_type, with);
        match self {
            Self::All => true,
            Self::Kind(kind) => begins(kind),
            Self::Suffix(suffix) => {
                let at = media_type.len().checked_sub(suffix.len());
                at.is_some_and(|at| media_type[at..].eq_ignore_ascii_case(suffix.as_bytes()))
            }
            Self::One(one) => media_type.eq_ignore_ascii_case(one.as_bytes()),
        }
    }
}

impl MediaTypes {
    /// These.
    pub fn new(ranges: impl IntoIterator<Item = MediaRange>) -> Self {
        Self(ranges.into_iter().collect())
    }

    /// Whether an answer with this `Content-Type` is one of them, and one that may be compressed at all: no stream of events and no gRPC, whose messages
    /// have to arrive one by one, and nothing that is compressed by itself.
    pub fn contain(&self, content_type: &[u8]) -> bool {
        let end = content_type.iter().position(|byte| *byte == b';').unwrap_or(content_type.len());
        let media_type = content_type[..end].trim_ascii();
        self.0.iter().any(|range| range.has(media_type)) && !is_never_compressed(media_type)
    }
}

/// Whether content of this type is compressed by itself.
pub fn is_compressed_by_itself(media_type: &[u8]) -> bool {
    let Some(slash) = media_type.iter().position(|byte| *byte == b'/') else { return false };
    let (kind, name) = (&media_type[..slash], &media_type[slash + 1..]);
    let alike = COMPRESSED.iter().find(|(of, _)| kind.eq_ignore_ascii_case(of.as_bytes()));
    alike.is_some_and(|(_, begins)| begins.iter().any(|with| starts_with(name, with)))
}

fn is_never_compressed(media_type: &[u8]) -> bool {
    let is_stream =
        media_type.eq_ignore_ascii_case(b"text/event-stream") || starts_with(media_type, "application/grpc");
    is_stream || is_compressed_by_itself(media_type)
}

fn starts_with(text: &[u8], with: &str) -> bool {
    text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(ranges: &[&str]) -> MediaTypes {
        MediaTypes::new(ranges.iter().map(|range| MediaRange::parse(range).unwrap()))
    }

    #[test]
    fn types_are_compared_without_parameters_and_without_case() {
        let listed = types(&["text/*", "+json", "application/wasm"]);
        let taken = ["text/html; charset=utf-8", "Text/CSS", "application/ld+JSON ;q=1", "application/wasm"];
        assert!(taken.iter().all(|text| listed.contain(text.as_bytes())));
        let others = ["application/json", "textual/html", "application/wasm2", "json", "", "application/octet-stream"];
        assert!(others.iter().all(|text| !listed.contain(text.as_bytes())));
    }

    #[test]
    fn streams_of_events_calls_and_what_is_compressed_already_are_never_compressed() {
        let all = types(&["*/*", "text/*"]);
        assert!(all.contain(b"application/octet-stream") && all.contain(b"image/svg+xml") && all.contain(b"font/ttf"));
        for never in [
            "text/event-stream",
            "text/event-stream;charset=utf-8",
            "application/grpc",
            "application/grpc+proto",
            "application/grpc-web-text",
            "Image/PNG",
            "audio/mpeg",
            "video/mp4",
            "font/woff2",
            "application/zip",
        ] {
            assert!(!all.contain(never.as_bytes()), "{never}");
        }
    }

    #[test]
    fn what_is_no_type_is_not_read() {
        for bad in ["", "*", "text", "text/", "/html", "*/html", "+", "te xt/html", "text/html;q=1", "text/h*"] {
            assert_eq!(MediaRange::parse(bad), None, "{bad}");
        }
        assert_eq!(MediaRange::parse("Text/HTML"), Some(MediaRange::One("text/html".into())));
    }
}
