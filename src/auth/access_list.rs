//! Who may come in by address: networks of the configuration, and of files that are read again when they change.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;
use ipnet::IpNet;

use super::file::{FileProblem, open};
use super::ranges::{Ranges, Verdict};

/// The largest file of networks that is read: half a million in their longest form.
const LARGEST: u64 = 32 << 20;

/// Networks of one key of the configuration: those that it has itself, and files with more.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Networks {
    /// The configuration's own.
    pub own: Vec<IpNet>,
    /// Files with one network a line.
    pub files: Vec<PathBuf>,
}

/// Who may come in.
#[derive(Debug)]
pub struct AccessList {
    allow: Networks,
    deny: Networks,
    current: ArcSwap<Ranges>,
    /// Held from before the files are read until what they held is in force. Each file is watched by itself, and a change of any has all of them read: a reading that was begun
    /// earlier must not be put in force later.
    reading: Mutex<()>,
}

impl Networks {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.files.is_empty()
    }

    fn read(&self, verdict: Verdict, to: &mut Vec<(IpNet, Verdict)>) -> Result<(), FileProblem> {
        to.extend(self.own.iter().map(|network| (*network, verdict)));
        self.files.iter().try_for_each(|file| read(file, |network| to.push((network, verdict))))
    }
}

impl AccessList {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with one of them.
    pub fn new(allow: Networks, deny: Networks) -> Result<Self, FileProblem> {
        let list = Self { allow, deny, current: ArcSwap::default(), reading: Mutex::default() };
        list.reload()?;
        Ok(list)
    }

    /// Reads the files again. Returns how many networks there are. When something is wrong, what was read before stays in force.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn reload(&self) -> Result<usize, FileProblem> {
        self.replace(|| {
            let mut networks = Vec::new();
            self.allow.read(Verdict::Allow, &mut networks)?;
            self.deny.read(Verdict::Deny, &mut networks)?;
            Ok(networks)
        })
    }

    /// Puts what is read in force. Workers, which only look at it, never wait for that.
    fn replace(&self, read: impl FnOnce() -> Result<Vec<(IpNet, Verdict)>, FileProblem>) -> Result<usize, FileProblem> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let networks = read()?;
        let count = networks.len();
        self.current.store(Ranges::new(networks).into());
        Ok(count)
    }

    /// Whether who has this address may come in: the longest network that it is in decides. Who is in none may, unless some are allowed by name.
    /// `None` = nobody knows the address: it does not come in.
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        let Some(address) = address else { return false };
        self.current.load().find(address).map_or(self.allow.is_empty(), |verdict| verdict == Verdict::Allow)
    }

    /// The files that it is read from.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.allow.files.iter().chain(&self.deny.files).map(PathBuf::as_path)
    }
}

/// A network as it is written: with a prefix, or as one address.
///
/// # Errors
///
/// Why it is none, for people.
pub fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let network: IpNet = text.parse().map_err(|_| format!("`{text}` is not a network"))?;
    if network.addr() != network.network() {
        return Err(format!("`{text}` has bits set behind the prefix: `{}`?", network.trunc()));
    }
    Ok(network)
}

/// Reads the networks of a file: one a line. `#` and `;` begin comments, as in the lists that others publish.
fn read(file: &Path, mut take: impl FnMut(IpNet)) -> Result<(), FileProblem> {
    let problem = |line, reason: String| FileProblem { file: file.to_owned(), line, reason };
    let opened = open(file).map_err(|reason| problem(None, reason))?;
    let mut lines = BufReader::new(opened.take(LARGEST + 1));
    let (mut line, mut number, mut bytes) = (String::new(), 0, 0);
    loop {
        line.clear();
        number += 1;
        let length = lines.read_line(&mut line).map_err(|error| problem(Some(number), error.to_string()))?;
        if length == 0 {
            return Ok(());
        }
        bytes += length as u64;
        if bytes > LARGEST {
            return Err(problem(None, format!("it is larger than {} MiB", LARGEST >> 20)));
        }
        let text = line.split(['#', ';']).next().unwrap_or_default().trim();
        if !text.is_empty() {
            take(network(text).map_err(|reason| problem(Some(number), reason))?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(all: &[&str]) -> Networks {
        Networks { own: all.iter().map(|text| network(text).unwrap()).collect(), files: Vec::new() }
    }

    fn admits(list: &AccessList, address: &str) -> bool {
        list.admits(Some(address.parse().unwrap()))
    }

    #[test]
    fn who_is_named_nowhere_comes_in_unless_some_are_allowed() {
        let only_deny = AccessList::new(Networks::default(), networks(&["10.0.0.0/8"])).unwrap();
        assert!(admits(&only_deny, "192.0.2.1") && !admits(&only_deny, "10.1.1.1"));
        assert!(!only_deny.admits(None), "nobody knows who it is");
        let both = AccessList::new(networks(&["10.0.0.0/8"]), networks(&["10.1.0.0/16"])).unwrap();
        assert!(admits(&both, "10.2.0.1") && !admits(&both, "10.1.0.1") && !admits(&both, "192.0.2.1"));
        assert!(!both.admits(None));
    }

    #[test]
    fn what_was_read_last_is_in_force_whichever_reading_takes_longer() {
        use std::sync::mpsc::channel;
        use std::time::Duration;
        let list = &AccessList::new(Networks::default(), Networks::default()).unwrap();
        let denied = |text: &str| Ok(vec![(network(text).unwrap(), Verdict::Deny)]);
        let (has_read, other_may_read) = channel();
        let (is_in_force, other_is_in_force) = channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                list.replace(|| {
                    has_read.send(()).unwrap();
                    // it takes so long that a later reading is over before it, unless that waits
                    let _ = other_is_in_force.recv_timeout(Duration::from_millis(300));
                    denied("192.0.2.0/24")
                })
            });
            other_may_read.recv().unwrap();
            list.replace(|| denied("198.51.100.0/24")).unwrap();
            // where the other one has waited for it in vain, it listens no more
            let _ = is_in_force.send(());
        });
        assert!(!admits(list, "198.51.100.1") && admits(list, "192.0.2.1"));
    }

    #[test]
    fn a_file_has_one_network_a_line_and_comments() {
        let dir = std::env::temp_dir().join(format!("evenkeel-access-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("blocked.txt");
        let write = |text: &str| std::fs::write(&file, text).unwrap();
        write("# a list\n\n192.0.2.0/24 ; SBL1\r\n  2001:db8::/32\n198.51.100.7\n");
        let from_file = Networks { own: Vec::new(), files: vec![file.clone()] };
        let list = AccessList::new(Networks::default(), from_file.clone()).unwrap();
        for (address, comes_in) in
            [("192.0.2.9", false), ("2001:db8::1", false), ("198.51.100.7", false), ("198.51.100.8", true)]
        {
            assert_eq!(admits(&list, address), comes_in, "{address}");
        }
        for (text, line, reason) in [
            ("10.0.0.0/8\n10.1.2.3/8\n", Some(2), "`10.0.0.0/8`?"),
            ("\n\nexample.com\n", Some(3), "not a network"),
            ("10.0.0.0/33", Some(1), "not a network"),
        ] {
            write(text);
            let problem = list.reload().unwrap_err();
            assert_eq!((problem.line, problem.reason.contains(reason)), (line, true), "{problem}");
            assert!(!admits(&list, "192.0.2.9"), "what was read before stays");
        }
        write("203.0.113.0/24\n");
        assert_eq!(list.reload(), Ok(1));
        assert!(admits(&list, "192.0.2.9") && !admits(&list, "203.0.113.1"));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(list.reload().unwrap_err().line, None);
        assert!(!admits(&list, "203.0.113.1"));
        assert!(AccessList::new(from_file, Networks::default()).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
        let terminal = Networks { own: Vec::new(), files: vec!["/dev/zero".into()] };
        assert!(AccessList::new(terminal, Networks::default()).unwrap_err().reason.contains("not a file"));
    }
}
