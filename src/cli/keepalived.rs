//! `evenkeel keepalived`: the keepalived.conf of one of two machines that share an address.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use ipnet::IpNet;

use super::{bad_configuration, fail, note, print};
use crate::config::{self, model};
use crate::io::{OwnAddress, own_addresses};

/// The most that the weight adds to the priority.
const MOST_WEIGHT: i64 = 100;

/// The highest priority of VRRP that is no owner's (RFC 9568, section 5.2.4).
const HIGHEST: i64 = 254;

/// `evenkeel keepalived`
#[derive(Debug, Args)]
pub(super) struct Keepalived {
    /// An address that moves, with the length of its network's prefix; several times for several
    #[arg(long = "vip", value_name = "ADDRESS/LENGTH", required = true, value_parser = vip)]
    vips: Vec<IpNet>,
    /// The other machine's own address; several times for several machines
    #[arg(long = "peer", value_name = "ADDRESS", required = true, value_parser = peer)]
    peers: Vec<IpAddr>,
    /// The interface that gets the address [default: the one in whose network the peer is]
    #[arg(long, value_name = "NAME", value_parser = interface)]
    interface: Option<String>,
    /// This machine's own address, from which adverts are sent; said when the text is written on another machine [default: the
    /// interface's address in the network of the peer]
    #[arg(long, value_name = "ADDRESS", value_parser = peer)]
    source: Option<IpAddr>,
    /// 1 to 154, to which the weight adds up to 100. Equal on both machines: whoever has the address keeps it
    #[arg(long, value_name = "NUMBER", default_value = "100", value_parser = clap::value_parser!(u8).range(1..=HIGHEST - MOST_WEIGHT))]
    priority: u8,
    /// Leave the address where it is while that instance is ready, whatever the other one reaches
    #[arg(long)]
    nopreempt: bool,
    /// 1 to 255, the same on both machines, and no other pair's in this network
    #[arg(long, value_name = "NUMBER", default_value = "51", value_parser = clap::value_parser!(u8).range(1..=255))]
    router_id: u8,
    /// Where the weight is kept for keepalived [default: /run/evenkeel-weight-ROUTER_ID]
    #[arg(long, value_name = "FILE")]
    track_file: Option<PathBuf>,
    /// The configuration of the proxy
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = "proxy.toml")]
    path: PathBuf,
}

/// What is the same in every line of the text.
struct Pair<'a> {
    asked: &'a Keepalived,
    interface: String,
    /// This machine's own address in the network of the peers.
    source: Option<IpAddr>,
    track_file: PathBuf,
    /// The track script.
    script: String,
}

fn vip(text: &str) -> Result<IpNet, String> {
    let vip: IpNet = text.parse().map_err(|_| "an address with the length of its prefix, such as 10.0.0.9/24")?;
    usable(vip.addr())?;
    match vip.prefix_len() == 0 || is_of_all(&vip, vip.addr()) {
        true => Err(format!("{vip} is no address of one machine in a network")),
        false => Ok(vip),
    }
}

/// Whether it is the address of the network itself or of everybody in it (IPv6 has neither that way; RFC 3021: nor has a network of two).
fn is_of_all(network: &IpNet, address: IpAddr) -> bool {
    let is_edge = address == network.network() || address == network.broadcast();
    address.is_ipv4() && network.prefix_len() < 31 && is_edge
}

fn peer(text: &str) -> Result<IpAddr, String> {
    let peer: IpAddr = text.parse().map_err(|_| "an address, such as 10.0.0.3")?;
    usable(peer).map(|()| peer)
}

fn usable(address: IpAddr) -> Result<(), String> {
    let is_everybody = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    match address.is_unspecified() || address.is_loopback() || address.is_multicast() || is_everybody {
        true => Err(format!("{address} is no address of one machine in a network")),
        false => Ok(()),
    }
}

fn interface(name: &str) -> Result<String, String> {
    // IFNAMSIZ, with its end
    let is_one =
        !name.is_empty() && name.len() < 16 && name.chars().all(|c| c.is_alphanumeric() || "._-:+@".contains(c));
    if is_one { Ok(name.to_owned()) } else { Err("the name of an interface, such as eth0".to_owned()) }
}

pub(super) fn run(asked: &Keepalived) -> ExitCode {
    let loaded = match config::load(&asked.path) {
        Ok(loaded) => loaded,
        Err(mistakes) => return bad_configuration(&mistakes),
    };
    let own = own_addresses().unwrap_or_default();
    match asked.pair(&own) {
        Ok(pair) => {
            advice(&asked.vips, &loaded.config).iter().for_each(|advice| note(advice));
            if !Path::new("/sys/class/net").join(&pair.interface).exists() {
                note(&format!("this machine has no interface {}: keepalived refuses the text here", pair.interface));
            }
            print(&pair.text())
        }
        Err(why) => fail(&why),
    }
}

impl Keepalived {
    /// Finds out what was not said.
    fn pair(&self, own: &[OwnAddress]) -> Result<Pair<'_>, String> {
        self.contradictions(own)?;
        let (interface, source) = self.interface(own)?;
        let binary =
            std::env::current_exe().map_err(|error| format!("the path of this program is not known: {error}"))?;
        let config = std::path::absolute(&self.path).map_err(|error| error.to_string())?;
        let track_file =
            self.track_file.clone().unwrap_or_else(|| format!("/run/evenkeel-weight-{}", self.router_id).into());
        let track_file = std::path::absolute(track_file).map_err(|error| error.to_string())?;
        let [binary, config, file] = [&binary, &config, &track_file].map(|path| word(path));
        let script = format!("{} ready --for 900ms --track-file {} -c {}", binary?, file?, config?);
        Ok(Pair { asked: self, interface, source, track_file, script })
    }

    /// The machines' own addresses, between which adverts go.
    fn ends(&self) -> impl Iterator<Item = IpAddr> {
        self.peers.iter().copied().chain(self.source)
    }

    /// Whether what was said can be true of two machines.
    fn contradictions(&self, own: &[OwnAddress]) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let vips = self.vips.iter().map(IpNet::addr);
        if let Some(twice) = vips.chain(self.ends()).find(|address| !seen.insert(*address)) {
            return Err(format!("{twice} is named twice: each --vip, --peer and --source is an address of its own"));
        }
        let is_v4 = self.peers[0].is_ipv4();
        if self.ends().any(|end| end.is_ipv4() != is_v4) {
            return Err("--peer and --source are all IPv4, or all IPv6: adverts go over one of the two".to_owned());
        }
        if self.vips.iter().all(|vip| vip.addr().is_ipv4() != is_v4) {
            let family = if is_v4 { "IPv4" } else { "IPv6" };
            return Err(format!(
                "the peers are {family}, and so one --vip has to be: VRRP moves its own family's addresses"
            ));
        }
        let everybody = |peer: &&IpAddr| {
            let is_of_all =
                |own: &OwnAddress| IpNet::new(own.address, own.prefix).is_ok_and(|own| is_of_all(&own, **peer));
            own.iter().any(is_of_all)
        };
        if let Some(peer) = self.peers.iter().find(everybody) {
            return Err(format!("{peer} is no address of one machine in this machine's network"));
        }
        let is_own = |address: IpAddr| own.iter().any(|own| own.address == address);
        let is_for_this_machine = self.source.is_none_or(is_own);
        match self.peers.iter().find(|peer| is_for_this_machine && is_own(**peer)) {
            Some(peer) => Err(format!("{peer} is an address of this machine: --peer is the other machine's")),
            None => Ok(()),
        }
    }

    /// The interface, and our address on it.
    fn interface(&self, own: &[OwnAddress]) -> Result<(String, Option<IpAddr>), String> {
        let is_vip = |address: IpAddr| self.vips.iter().any(|vip| vip.addr() == address);
        let reaches = |own: &&OwnAddress| {
            let network = IpNet::new(own.address, own.prefix).is_ok_and(|network| network.contains(&self.peers[0]));
            network && !is_vip(own.address) && self.interface.as_ref().is_none_or(|name| *name == own.interface)
        };
        let found: Vec<&OwnAddress> = own.iter().filter(reaches).collect();
        let names: BTreeSet<&str> = found.iter().map(|own| &*own.interface).collect();
        let source = self.source.or(found.first().map(|own| own.address));
        match (&self.interface, names.len()) {
            (Some(name), _) => Ok((name.clone(), source)),
            (None, 1) => Ok((found[0].interface.clone(), source)),
            (None, _) => Err(format!(
                "which interface gets the address? {} of this machine is in one network with {}: say --interface",
                if names.is_empty() { "none" } else { "more than one" },
                self.peers[0]
            )),
        }
    }
}

/// A path as one word of a command that keepalived splits at white space.
fn word(path: &Path) -> Result<String, String> {
    let unusable = || {
        format!("{} can't stand in keepalived.conf: its path has white space, quotes or other signs", path.display())
    };
    let text = path.to_str().ok_or_else(unusable)?;
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:,=".contains(c);
    if text.chars().all(plain) { Ok(text.to_owned()) } else { Err(unusable()) }
}

/// What in the proxy's configuration keeps the address from being served.
fn advice(vips: &[IpNet], config: &model::Config) -> Vec<String> {
    let mut advice = Vec::new();
    let bound = || {
        config.listeners.iter().filter_map(|listener| match &listener.bind {
            model::Address::Tcp(address) => Some((listener, address)),
            model::Address::Unix(_) => None,
        })
    };
    for vip in vips.iter().map(IpNet::addr) {
        for (listener, address) in bound().filter(|(listener, address)| address.ip() == vip && !listener.free_bind) {
            advice.push(format!(
                "the listener `{}` is bound to {address}, which the standby does not have: set free_bind = true on it",
                listener.name
            ));
        }
        let is_served = |ip: IpAddr| ip == vip || ip.is_unspecified() && (ip.is_ipv6() || vip.is_ipv4());
        if !bound().any(|(_, address)| is_served(address.ip())) {
            advice.push(format!("no listener is bound to {vip}: nobody answers there"));
        }
    }
    advice
}

impl Pair<'_> {
    /// The text of keepalived.conf.
    fn text(&self) -> String {
        let name = format!("evenkeel_{}", self.asked.router_id);
        format!("{HEAD}{}{}", self.tracking(&name), self.instance(&name))
    }

    /// What keepalived looks at: the script and the file that it writes.
    fn tracking(&self, name: &str) -> String {
        let (script, file) = (&self.script, self.track_file.display());
        format!(
            "# fails as soon as the proxy is gone, hangs, drains or hands over. Each run asks ten times a second for 0.9 s: once a second is the
# most often that keepalived starts a script
vrrp_script {name}_ready {{
    script \"{script}\"
    interval 1
    timeout 2
    fall 1
    rise 2
    init_fail
}}

# how much of its fleet the proxy reaches, 0 to 100 in steps of 10, written by the script; it is added to the priority
track_file {name}_weight {{
    file \"{file}\"
    weight 1
    init_file 0 overwrite
}}

"
        )
    }

    /// The election, and the addresses that it is about.
    fn instance(&self, name: &str) -> String {
        let Self { asked, interface, .. } = self;
        let Keepalived { router_id, priority, nopreempt, .. } = asked;
        let preempt = if *nopreempt { NO_PREEMPTION } else { PREEMPTION };
        let source = self.source.map(|source| format!("    unicast_src_ip {source}\n")).unwrap_or_default();
        let peers = lines(asked.peers.iter().map(ToString::to_string));
        let (own, other) = (self.addresses(true), self.addresses(false));
        let other = match other.is_empty() {
            true => other,
            false => format!("{OTHER_FAMILY}    virtual_ipaddress_excluded {{\n{other}    }}\n"),
        };
        format!(
            "vrrp_instance {name} {{
    # it is an election: nobody has the address from the start
    state BACKUP
    interface {interface}
    virtual_router_id {router_id}
    # equal on both machines: the address does not go back when a machine does
    priority {priority}
    # seconds: the address moves 0.3 to 0.4 s after the last advert, and at once when it is given away
    advert_int 0.1
{preempt}{source}    check_unicast_src
    unicast_peer {{
{peers}    }}
    # gratuitous ARP (IPv6: unsolicited neighbour advertisements): at once, again after a second, and then every half minute for switches
    # and hosts that have missed it
    garp_master_repeat 3
    garp_master_delay 1
    garp_master_refresh 30
    # after a partition: the other side has announced itself too
    garp_lower_prio_repeat 3
    garp_lower_prio_delay 1
    virtual_ipaddress {{
{own}    }}
{other}    track_script {{
        {name}_ready
    }}
    track_file {{
        {name}_weight
    }}
}}
"
        )
    }

    /// The lines of the addresses of the peers' family, or of the other one.
    fn addresses(&self, of_peers: bool) -> String {
        let is_v4 = self.asked.peers[0].is_ipv4();
        let vips = self.asked.vips.iter().filter(|vip| (vip.addr().is_ipv4() == is_v4) == of_peers);
        lines(vips.map(|vip| format!("{vip} dev {}", self.interface)))
    }
}

/// What the file begins with.
const HEAD: &str = "# keepalived.conf, written by `evenkeel keepalived`. See docs/high-availability.md.

global_defs {
    vrrp_version 3
    # the script reads the proxy's configuration, and keepalived runs it only if nobody but root can change it
    script_user root
    enable_script_security
    # adverts are due every 100 ms, also on a machine that is busy
    vrrp_priority -10
    vrrp_no_swap
}

";

const PREEMPTION: &str = "    # another instance gets the address when it has had the higher priority for so long; two instances learn of the same
    # trouble at different moments
    preempt_delay 5
";

const NO_PREEMPTION: &str = "    # the address stays where it is while that instance is ready
    nopreempt
";

const OTHER_FAMILY: &str = "    # they move along: adverts name one family only
";

fn lines(words: impl Iterator<Item = String>) -> String {
    words.fold(String::new(), |mut text, word| {
        // writing to a String can't fail
        let _ = writeln!(text, "        {word}");
        text
    })
}

#[cfg(test)]
mod tests;
