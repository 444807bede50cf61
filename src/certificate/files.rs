//! Which files certificates are read from, and which pairs are in a folder of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::unusable::{Part, Unusable};

/// The most pairs that are read from one folder.
const MOST: usize = 10_000;

/// The files of one certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PairFiles {
    /// The chain, the certificate itself first.
    pub cert: PathBuf,
    /// The private key; the same file where it holds both.
    pub key: PathBuf,
    /// The OCSP response that is stapled to it.
    pub ocsp: Option<PathBuf>,
}

impl PairFiles {
    /// Whether they have the same certificate and the same key, whatever is stapled to it.
    pub fn are_the_pair_of(&self, other: &Self) -> bool {
        (&self.cert, &self.key) == (&other.cert, &other.key)
    }
}

/// Where certificates come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// Two files.
    Pair(PairFiles),
    /// All pairs that are found in a folder.
    Folder(PathBuf),
}

impl Source {
    /// The pairs in it.
    ///
    /// # Errors
    ///
    /// The folder can't be read, or holds too many.
    pub fn pairs(&self) -> Result<Vec<PairFiles>, Unusable> {
        match self {
            Self::Pair(files) => Ok(vec![files.clone()]),
            Self::Folder(folder) => pairs_in(folder),
        }
    }
}

/// The pairs in a folder and in the folders that are directly in it, by the names that they have there:
///
/// - `fullchain.pem` with `privkey.pem`, as certbot and other ACME clients write them: then nothing else in that folder counts;
/// - `NAME.crt`, `NAME.cer` or `NAME.pem` with `NAME.key`, as `tls.crt` and `tls.key` of Kubernetes' secrets;
/// - `NAME.pem` that holds both, as HAProxy and Caddy read them, or with its key in `NAME.pem.key`.
///
/// An OCSP response is beside its certificate, as `NAME.ocsp` or as `NAME.pem.ocsp`.
///
/// Names that begin with a dot are left out (Kubernetes keeps what its links point to in folders of such names), and so are `ca` and `chain`, which have no
/// key. The order is that of the names.
fn pairs_in(folder: &Path) -> Result<Vec<PairFiles>, Unusable> {
    let unreadable = |path: &Path, error: std::io::Error| {
        let message = format!("`{}` can't be read: {error}", path.display());
        Unusable::new(Part::Folder, path, message).expected("a folder that can be read")
    };
    let top = names(folder).map_err(|error| unreadable(folder, error))?;
    let mut pairs = pairs_among(folder, &top);
    for (name, is_folder) in &top {
        if *is_folder {
            let below = folder.join(name);
            // one that has gone in the meantime, or that only others may read, keeps nobody from the rest
            let Ok(names) = names(&below) else { continue };
            pairs.extend(pairs_among(&below, &names));
        }
        if pairs.len() > MOST {
            let message = format!("`{}` has more than {MOST} certificates", folder.display());
            return Err(Unusable::new(Part::Folder, folder, message));
        }
    }
    Ok(pairs)
}

/// The names in a folder, in their order, and whether each is a folder itself.
fn names(folder: &Path) -> std::io::Result<BTreeMap<String, bool>> {
    let mut names = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !name.starts_with('.') {
            // links are followed
            let is_folder = std::fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir());
            names.insert(name, is_folder);
        }
    }
    Ok(names)
}

fn pairs_among(folder: &Path, names: &BTreeMap<String, bool>) -> Vec<PairFiles> {
    let is_file = |name: &str| names.get(name) == Some(&false);
    let pair = |cert: &str, key: &str| {
        let stem = cert.rsplit_once('.').map_or(cert, |(stem, _)| stem);
        let ocsp = [format!("{stem}.ocsp"), format!("{cert}.ocsp")].into_iter().find(|name| is_file(name));
        PairFiles { cert: folder.join(cert), key: folder.join(key), ocsp: ocsp.map(|name| folder.join(name)) }
    };
    if is_file("fullchain.pem") && is_file("privkey.pem") {
        return vec![pair("fullchain.pem", "privkey.pem")];
    }
    let found = names.iter().filter(|(_, is_folder)| !**is_folder).filter_map(|(name, _)| {
        let (stem, kind) = name.rsplit_once('.')?;
        if !matches!(kind, "pem" | "crt" | "cer") || matches!(stem, "ca" | "chain") {
            return None;
        }
        let keys = [format!("{stem}.key"), format!("{name}.key")];
        match keys.iter().find(|key| is_file(key)) {
            Some(key) => Some(pair(name, key)),
            // it may hold the key as well; where it does not, that is told
            None => (kind == "pem").then(|| pair(name, name)),
        }
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Vec<(String, String)> {
        let names = names.iter().map(|name| ((*name).to_owned(), name.ends_with('/'))).collect();
        let text = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        pairs_among(Path::new("/x"), &names).into_iter().map(|pair| (text(pair.cert), text(pair.key))).collect()
    }

    #[test]
    fn pairs_are_known_by_the_names_that_tools_give_them() {
        let pair = |cert: &str, key: &str| (cert.to_owned(), key.to_owned());
        let certbot = ["README", "cert.pem", "chain.pem", "fullchain.pem", "privkey.pem"];
        assert_eq!(found(&certbot), [pair("fullchain.pem", "privkey.pem")]);
        assert_eq!(found(&["ca.crt", "tls.crt", "tls.key"]), [pair("tls.crt", "tls.key")]);
        let several = ["a.key", "a.pem", "b.pem", "c.pem", "c.pem.key", "d.crt", "e.key", "f.pem/"];
        let expected = [pair("a.pem", "a.key"), pair("b.pem", "b.pem"), pair("c.pem", "c.pem.key")];
        assert_eq!(found(&several), expected);
    }
}
