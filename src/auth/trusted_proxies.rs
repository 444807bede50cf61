//! Proxies that speak for others: networks of the configuration, and of files that are read again when they change.

use std::net::IpAddr;
use std::path::Path;

use super::access_list::{AccessList, Networks};
use super::file::FileProblem;

/// Whose word counts on who a client is.
#[derive(Debug, Default)]
pub struct TrustedProxies {
    /// `None` = nobody's. A list without networks would take everybody for one.
    list: Option<AccessList>,
}

impl TrustedProxies {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with one of them.
    pub fn new(networks: Networks) -> Result<Self, FileProblem> {
        if networks.is_empty() {
            return Ok(Self::default());
        }
        AccessList::new(networks, Networks::default()).map(|list| Self { list: Some(list) })
    }

    /// Whether this is the address of one of them. An IPv4 address that is written as IPv6 is the same.
    pub fn has(&self, address: IpAddr) -> bool {
        self.list.as_ref().is_some_and(|list| list.admits(Some(address)))
    }

    /// The files that they are read from.
    pub fn files(&self) -> Vec<&Path> {
        self.list.iter().flat_map(AccessList::files).collect()
    }

    /// Reads the files again. Returns how many networks there are. When something is wrong, what was read before stays in force.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn reload(&self) -> Result<usize, FileProblem> {
        self.list.as_ref().map_or(Ok(0), AccessList::reload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_networks_nobody_is_one() {
        assert!(!TrustedProxies::default().has("10.0.0.1".parse().unwrap()));
        assert!(!TrustedProxies::new(Networks::default()).unwrap().has("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_file_that_is_emptied_takes_its_networks_away_and_makes_nobody_one() {
        let folder = std::env::temp_dir().join(format!("evenkeel-trusted-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("edge.txt");
        std::fs::write(&file, "# the edge\n192.0.2.0/24\n2001:db8::/32\n").unwrap();
        let own = vec!["10.0.0.0/8".parse().unwrap()];
        let proxies = TrustedProxies::new(Networks { own, files: vec![file.clone()] }).unwrap();
        let has = |address: &str| proxies.has(address.parse().unwrap());
        assert_eq!(proxies.files(), [file.as_path()]);
        assert!(has("192.0.2.7") && has("::ffff:192.0.2.7") && has("2001:db8::1") && has("10.1.2.3"));
        assert!(!has("198.51.100.7"));
        std::fs::write(&file, "").unwrap();
        assert_eq!(proxies.reload().unwrap(), 1);
        assert!(!has("192.0.2.7") && !has("198.51.100.7") && has("10.1.2.3"));
        std::fs::write(&file, "192.0.2.0/24\nnonsense\n").unwrap();
        assert_eq!(proxies.reload().unwrap_err().line, Some(2));
        assert!(!has("192.0.2.7"), "a list that is wrong changes nothing");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
