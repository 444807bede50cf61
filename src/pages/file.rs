//! A file that clients are shown.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use http::header::HeaderValue;
use nix::libc::O_NONBLOCK;
use xxhash_rust::xxh3::xxh3_128;

use super::content_type;
use crate::policy::template::{AnswerBody, Piece};
use crate::policy::variables::Variable;

/// The largest file, in bytes: it is held in memory, and written to a client as a whole.
pub const LARGEST: u64 = 1 << 20;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It is sent as it is.
    Fixed,
    /// Variables such as `${request_id}` are filled in.
    Page,
}

/// A file that clients are shown. It is read when the configuration is, and again when it changes.
#[derive(Debug)]
pub struct PageFile {
    path: PathBuf,
    content_type: HeaderValue,
    purpose: Purpose,
    content: ArcSwap<PageContent>,
}

/// What a file holds.
#[derive(Debug)]
pub struct PageContent {
    /// Its bytes, or what is filled in.
    pub body: AnswerBody,
    /// Its strong validator (RFC 9110, section 8.8.3): a hash of its bytes, so that instances with the same file agree.
    pub tag: HeaderValue,
    /// When it was changed last, to the second.
    pub modified: Option<SystemTime>,
}

impl PageFile {
    /// Reads the file. `content_type`: `None` = by its name.
    ///
    /// # Errors
    ///
    /// Why it can't be used, for people.
    pub fn read(path: PathBuf, content_type: Option<HeaderValue>, purpose: Purpose) -> Result<Self, String> {
        let content_type = content_type.unwrap_or_else(|| Self::type_of(&path));
        let content = ArcSwap::from_pointee(PageContent::read(&path, &content_type, purpose)?);
        Ok(Self { path, content_type, purpose, content })
    }

    /// Reads it again. Returns how many bytes it has; what it held before stays in force when something is wrong.
    ///
    /// # Errors
    ///
    /// Why it can't be used, for people.
    pub fn reload(&self) -> Result<usize, String> {
        let content = PageContent::read(&self.path, &self.content_type, self.purpose)?;
        let length = content.length();
        self.content.store(Arc::new(content));
        Ok(length)
    }

    /// What it holds now.
    pub fn content(&self) -> Guard<Arc<PageContent>> {
        self.content.load()
    }

    /// Whether it is what would be made of these. `content_type`: `None` = by its name.
    pub fn is(&self, path: &Path, content_type: Option<&HeaderValue>, purpose: Purpose) -> bool {
        let is_alike =
            content_type.map_or_else(|| Self::type_of(path) == self.content_type, |of| *of == self.content_type);
        self.path == path && self.purpose == purpose && is_alike
    }

    /// The content type of a file of this name.
    fn type_of(path: &Path) -> HeaderValue {
        content_type::of(&path.file_name().unwrap_or_default().to_string_lossy())
    }

    /// What it holds as text, with its variables as they are written; empty for what is no text.
    pub fn source(&self) -> String {
        match &self.content().body {
            AnswerBody::Fixed(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            AnswerBody::Template(template, _) => template.to_string(),
        }
    }

    /// Whether something is filled in that a request has said.
    pub fn tells_of_request(&self) -> bool {
        const OF_REQUESTS: [Variable; 6] = [
            Variable::ClientIp,
            Variable::ClientPort,
            Variable::Host,
            Variable::Method,
            Variable::Path,
            Variable::Query,
        ];
        let of_request = |piece: &Piece| matches!(piece, Piece::Variable(variable) if OF_REQUESTS.contains(variable));
        match &self.content().body {
            AnswerBody::Fixed(_) => false,
            AnswerBody::Template(template, _) => template.pieces().iter().any(of_request),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its content type.
    pub fn content_type(&self) -> &HeaderValue {
        &self.content_type
    }

    /// The same without parameters, such as `text/html`.
    pub fn media_type(&self) -> &str {
        content_type::essence(&self.content_type)
    }

    /// A page that is in no file.
    #[cfg(test)]
    pub fn of_text(text: &str, content_type: &'static str) -> Self {
        let content_type = HeaderValue::from_static(content_type);
        let content = PageContent::new(text.as_bytes().to_vec(), None, &content_type, Purpose::Page);
        let content = ArcSwap::from_pointee(content);
        Self { path: PathBuf::new(), content_type, purpose: Purpose::Page, content }
    }
}

impl PageContent {
    fn read(path: &Path, content_type: &HeaderValue, purpose: Purpose) -> Result<Self, String> {
        let because = |error: std::io::Error| error.to_string();
        // whoever opens a pipe waits for somebody who writes into it, but for this flag; what is opened is looked at, because a name may mean something else a
        // moment later
        let file = File::options().read(true).custom_flags(O_NONBLOCK).open(path).map_err(because)?;
        let metadata = file.metadata().map_err(because)?;
        if !metadata.is_file() {
            return Err("it is no regular file".to_owned());
        }
        let modified = metadata.modified().ok();
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(because)?;
        if bytes.len() as u64 > LARGEST {
            return Err(format!("it is larger than {} MiB", LARGEST >> 20));
        }
        Ok(Self::new(bytes, modified, content_type, purpose))
    }

    fn new(bytes: Vec<u8>, modified: Option<SystemTime>, content_type: &HeaderValue, purpose: Purpose) -> Self {
        let tag = format!("\"{:032x}\"", xxh3_128(&bytes));
        let text = std::str::from_utf8(&bytes).ok().filter(|_| purpose == Purpose::Page);
        let body = match text {
            Some(text) => AnswerBody::new(text, content_type),
            None => AnswerBody::Fixed(Bytes::from(bytes)),
        };
        // hexadecimal digits and quotation marks can stand in a field
        let tag = HeaderValue::from_str(&tag).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        Self { body, tag, modified: modified.and_then(to_the_second) }
    }

    /// Its bytes; for one with variables, those that are the same for all.
    fn length(&self) -> usize {
        match &self.body {
            AnswerBody::Fixed(bytes) => bytes.len(),
            AnswerBody::Template(template, _) => template.filled_in(|_| "").len(),
        }
    }
}

/// A time as HTTP can tell it.
fn to_the_second(time: SystemTime) -> Option<SystemTime> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("evenkeel-pages-{}-{:x}", std::process::id(), fastrand::u64(..)));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_file_is_read_again_and_what_it_held_stays_when_that_fails() {
        let folder = folder();
        let path = folder.join("a.html");
        std::fs::write(&path, "one").unwrap();
        let file = PageFile::read(path.clone(), None, Purpose::Page).unwrap();
        let tag = file.content().tag.clone();
        assert_eq!((file.source().as_str(), file.media_type()), ("one", "text/html"));
        std::fs::write(&path, "two").unwrap();
        assert_eq!(file.reload(), Ok(3));
        assert_eq!(file.source(), "two");
        assert_ne!(file.content().tag, tag);
        std::fs::write(&path, vec![b'x'; LARGEST as usize + 1]).unwrap();
        assert_eq!(file.reload(), Err("it is larger than 1 MiB".to_owned()));
        std::fs::remove_file(&path).unwrap();
        assert!(file.reload().is_err());
        assert_eq!(file.source(), "two");
        std::fs::write(&path, vec![b'x'; LARGEST as usize]).unwrap();
        assert_eq!(file.reload(), Ok(LARGEST as usize));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = folder();
        let read = |path: &Path| PageFile::read(path.to_owned(), None, Purpose::Fixed).map(|file| file.source());
        assert_eq!(read(&folder), Err("it is no regular file".to_owned()));
        assert_eq!(read(Path::new("/dev/zero")), Err("it is no regular file".to_owned()));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn variables_are_filled_in_where_they_are_wanted() {
        let folder = folder();
        let path = folder.join("a.js");
        std::fs::write(&path, "const a = `${status} ${name}`;").unwrap();
        let is_template = |purpose| PageFile::read(path.clone(), None, purpose).unwrap().content().body.is_template();
        assert!(is_template(Purpose::Page) && !is_template(Purpose::Fixed));
        // what is no text has no variables
        std::fs::write(&path, b"\xff${status}").unwrap();
        assert!(!is_template(Purpose::Page));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
