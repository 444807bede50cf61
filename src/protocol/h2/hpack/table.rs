//! The static and the dynamic table (RFC 7541, sections 2.3 and 4, appendix A).

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use http::header::{HeaderName, HeaderValue};

use super::CompressionError;
use super::name::Name;
use super::{Field, Pseudo};

/// The bytes that an entry counts for in addition to its name and value (section 4.1).
const OVERHEAD: usize = 32;

/// An entry of a table.
#[derive(Debug)]
pub(super) struct TableEntry {
    pub(super) name: Name,
    /// The value; `None` when it is not valid.
    pub(super) value: Option<HeaderValue>,
    /// The length of the name that was sent, which counts even if the name is malformed.
    pub(super) name_length: usize,
    /// The number of bytes that the entry counts for.
    pub(super) size: usize,
}

impl TableEntry {
    pub(super) const fn new(name: Name, name_length: usize, value: Option<HeaderValue>, value_length: usize) -> Self {
        Self { name, value, name_length, size: name_length + value_length + OVERHEAD }
    }

    /// The field.
    #[inline(always)]
    pub(super) fn field(&self) -> Field {
        match (&self.name, &self.value) {
            (Name::Pseudo(pseudo), Some(value)) => Field::Pseudo(*pseudo, value.clone()),
            (Name::Plain(name), Some(value)) => Field::Plain(name.clone(), value.clone()),
            _ => Field::Malformed,
        }
    }
}

/// Both tables with one index space, in which the newest entry of the dynamic table follows the static table (section 2.3.3).
#[derive(Debug)]
pub(super) struct Table {
    /// The entries of the dynamic table, the newest first.
    entries: VecDeque<TableEntry>,
    /// The sum of the entries' sizes.
    size: usize,
    /// The limit for `size`, which the peer's encoder has chosen.
    limit: usize,
    /// The highest limit that it may choose.
    max: usize,
}

impl Table {
    pub(super) fn new(max: usize) -> Self {
        Self { entries: VecDeque::new(), size: 0, limit: max, max }
    }

    /// The entry with this index.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Result<&TableEntry, CompressionError> {
        // index 0 is invalid, and wraps to a place beyond both tables
        let at = index.wrapping_sub(1);
        STATIC.get(at).or_else(|| self.entries.get(at.wrapping_sub(STATIC.len()))).ok_or(CompressionError)
    }

    /// Adds an entry, and evicts old ones to make room. An entry that is larger than the limit empties the table (section 4.4).
    pub(super) fn add(&mut self, entry: TableEntry) {
        let room = self.limit.checked_sub(entry.size);
        self.shrink(room.unwrap_or(0));
        if room.is_some() {
            self.size += entry.size;
            self.entries.push_front(entry);
        }
    }

    /// Applies a size update (section 6.3).
    pub(super) fn resize(&mut self, limit: usize) -> Result<(), CompressionError> {
        if limit > self.max {
            return Err(CompressionError);
        }
        self.limit = limit;
        self.shrink(limit);
        Ok(())
    }

    /// Evicts the oldest entries until the rest have `size` bytes at most.
    fn shrink(&mut self, size: usize) {
        while self.size > size
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.size;
        }
    }

    /// The sum of the entries' sizes, added up anew.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        assert_eq!(self.size, self.entries.iter().map(|entry| entry.size).sum::<usize>());
        assert!(self.size <= self.limit && self.limit <= self.max);
        self.size
    }

    /// The fields of the dynamic table, the newest first.
    #[cfg(test)]
    pub(super) fn fields(&self) -> Vec<Field> {
        self.entries.iter().map(TableEntry::field).collect()
    }
}

const fn pseudo(pseudo: Pseudo, name: &'static str, value: &'static str) -> TableEntry {
    TableEntry::new(Name::Pseudo(pseudo), name.len(), Some(HeaderValue::from_static(value)), value.len())
}

const fn plain(name: &'static str, value: &'static str) -> TableEntry {
    TableEntry::new(
        Name::Plain(HeaderName::from_static(name)),
        name.len(),
        Some(HeaderValue::from_static(value)),
        value.len(),
    )
}

/// Appendix A: defines the static table, and the names in it that are not those of pseudo-header fields.
macro_rules! appendix_a {
    ($($pseudo:ident $pseudo_name:literal $pseudo_value:literal)* - $($name:literal $value:literal)*) => {
        /// The static table, from index 1 on.
        pub(super) static STATIC: [TableEntry; 61] =
            [$(pseudo(Pseudo::$pseudo, $pseudo_name, $pseudo_value),)* $(plain($name, $value)),*];

        /// The names from index 15 on.
        pub(super) const NAMES: [&str; 47] = [$($name),*];
    };
}

appendix_a! {
    Authority ":authority" ""
    Method ":method" "GET"
    Method ":method" "POST"
    Path ":path" "/"
    Path ":path" "/index.html"
    Scheme ":scheme" "http"
    Scheme ":scheme" "https"
    Status ":status" "200"
    Status ":status" "204"
    Status ":status" "206"
    Status ":status" "304"
    Status ":status" "400"
    Status ":status" "404"
    Status ":status" "500"
    -
    "accept-charset" ""
    "accept-encoding" "gzip, deflate"
    "accept-language" ""
    "accept-ranges" ""
    "accept" ""
    "access-control-allow-origin" ""
    "age" ""
    "allow" ""
    "authorization" ""
    "cache-control" ""
    "content-disposition" ""
    "content-encoding" ""
    "content-language" ""
    "content-length" ""
    "content-location" ""
    "content-range" ""
    "content-type" ""
    "cookie" ""
    "date" ""
    "etag" ""
    "expect" ""
    "expires" ""
    "from" ""
    "host" ""
    "if-match" ""
    "if-modified-since" ""
    "if-none-match" ""
    "if-range" ""
    "if-unmodified-since" ""
    "last-modified" ""
    "link" ""
    "location" ""
    "max-forwards" ""
    "proxy-authenticate" ""
    "proxy-authorization" ""
    "range" ""
    "referer" ""
    "refresh" ""
    "retry-after" ""
    "server" ""
    "set-cookie" ""
    "strict-transport-security" ""
    "transfer-encoding" ""
    "user-agent" ""
    "vary" ""
    "via" ""
    "www-authenticate" ""
}
