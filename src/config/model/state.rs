//! `[state]`, checked.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// `state.backup`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where copies of the ledger go.
    pub to: BackupPlace,
    /// The time from the begin of one copy to that of the next.
    pub every: Duration,
    /// How long copies are kept.
    pub keep: Duration,
    /// What copies of this instance are filed under; `None` = the name of the machine.
    pub name: Option<String>,
}

/// A place for copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupPlace {
    /// A folder, by its absolute path.
    Folder(PathBuf),
    /// A bucket that speaks S3.
    Bucket {
        /// Its name.
        name: String,
        /// What the keys of the copies begin with, without a slash at either end; may be empty.
        prefix: String,
    },
}

/// What a place is written like.
pub const BACKUP_PLACE: &str = "\"s3://bucket/prefix\" or \"file:///folder\"";

impl FromStr for BackupPlace {
    type Err = String;

    /// Reads a URL; the error is the rest of a sentence about it.
    fn from_str(url: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = url.split_once("://") else { return Err("has no scheme".to_owned()) };
        let has_dots = |path: &str| path.split('/').any(|part| matches!(part, "." | ".."));
        if url.contains(['?', '#']) || url.chars().any(char::is_control) {
            return Err("has something in it that names no place: a query, or a control character".to_owned());
        }
        match scheme {
            "file" if !rest.starts_with('/') => {
                Err("has no absolute path: three slashes, such as file:///var/backups".to_owned())
            }
            "file" if has_dots(rest) => Err("has `.` or `..` in it".to_owned()),
            "file" => Ok(Self::Folder(PathBuf::from(rest))),
            "s3" => {
                let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let prefix = prefix.trim_end_matches('/');
                let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
                // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
                if !(3..=63).contains(&name.len()) || !name.bytes().all(is_name) {
                    return Err(format!("has no bucket with a name that S3 allows: `{name}`"));
                }
                if has_dots(prefix) || prefix.starts_with('/') || prefix.contains("//") {
                    return Err("has a prefix with `.`, `..` or an empty part in it".to_owned());
                }
                Ok(Self::Bucket { name: name.to_owned(), prefix: prefix.to_owned() })
            }
            _ => Err(format!("has a scheme that is not known: `{scheme}`")),
        }
    }
}

impl fmt::Display for BackupPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file://{}", path.display()),
            Self::Bucket { name, prefix } if prefix.is_empty() => write!(f, "s3://{name}"),
            Self::Bucket { name, prefix } => write!(f, "s3://{name}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_or_a_bucket_with_a_prefix() {
        for (url, shown) in [
            ("file:///var/backups", "file:///var/backups"),
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/", "s3://bucket"),
            ("s3://my.bucket-1/a/b/", "s3://my.bucket-1/a/b"),
        ] {
            assert_eq!(url.parse::<BackupPlace>().map(|place| place.to_string()).as_deref(), Ok(shown));
        }
        for (url, part) in [
            ("/var/backups", "no scheme"),
            ("file://var/backups", "no absolute path"),
            ("file:///var/../etc", "`..`"),
            ("s3://", "no bucket"),
            ("s3://Bucket/a", "no bucket"),
            ("s3://bucket//a", "an empty part"),
            ("s3://bucket/a/../b", "`..`"),
            ("s3://bucket/a?versionId=1", "a query"),
            ("gs://bucket", "`gs`"),
        ] {
            let problem = url.parse::<BackupPlace>().unwrap_err();
            assert!(problem.contains(part), "{url}: {problem}");
        }
    }
}
