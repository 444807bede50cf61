//! What is said on the command line, and the text that follows from it.

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    asked: Keepalived,
}

fn asked(arguments: &str) -> Result<Keepalived, String> {
    let line = Line::try_parse_from(["keepalived"].into_iter().chain(arguments.split_whitespace()));
    line.map(|line| line.asked).map_err(|error| error.to_string())
}

fn own(interface: &str, address: &str) -> OwnAddress {
    let network: IpNet = address.parse().unwrap();
    OwnAddress { interface: interface.to_owned(), address: network.addr(), prefix: network.prefix_len() }
}

fn machine() -> Vec<OwnAddress> {
    vec![own("lo", "127.0.0.1/8"), own("eth0", "10.0.0.2/24"), own("eth1", "10.9.0.2/16"), own("eth0", "fd00::2/64")]
}

#[test]
fn the_interface_is_the_one_in_whose_network_the_peer_is() {
    let text = asked("--vip 10.0.0.9/24 --vip fd00::9/64 --peer 10.0.0.3").unwrap();
    let text = text.pair(&machine()).unwrap().text();
    for line in [
        "    interface eth0\n",
        "    unicast_src_ip 10.0.0.2\n",
        "        10.0.0.3\n",
        "        10.0.0.9/24 dev eth0\n",
        "    virtual_ipaddress_excluded {\n        fd00::9/64 dev eth0\n",
        "    advert_int 0.1\n",
        "    preempt_delay 5\n",
        "    priority 100\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("nopreempt"));
}

#[test]
fn what_was_said_is_in_the_text() {
    let arguments = "--vip fd00::9/64 --peer fd00::3 --interface bond0.7 --priority 120 --nopreempt --router-id 7 --track-file /run/w";
    let text = asked(arguments).unwrap();
    let text = text.pair(&machine()).unwrap().text();
    for line in [
        "    interface bond0.7\n",
        "    virtual_router_id 7\n",
        "    priority 120\n",
        "    nopreempt\n",
        "    file \"/run/w\"\n",
        "    virtual_ipaddress {\n        fd00::9/64 dev bond0.7\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("preempt_delay") && !text.contains("unicast_src_ip"), "{text}");
}

#[test]
fn a_text_for_another_machine_names_its_address() {
    // it may be written on the other machine, too
    let text = asked("--vip 10.0.0.9/24 --peer 10.0.0.2 --interface eth0 --source 10.0.0.7").unwrap();
    for own in [machine(), Vec::new()] {
        let text = text.pair(&own).unwrap().text();
        assert!(text.contains("    unicast_src_ip 10.0.0.7\n"), "{text}");
    }
}

#[test]
fn a_network_of_two_has_two_addresses_and_a_file_has_one_place() {
    let text = asked("--vip 10.1.0.0/31 --vip 10.0.0.9/32 --peer 10.0.0.3 --track-file weight").unwrap();
    let text = text.pair(&machine()).unwrap().text();
    let file = std::path::absolute("weight").unwrap();
    assert!(text.contains(&format!("    file \"{}\"\n", file.display())), "{text}");
    assert!(text.contains(&format!("--track-file {} ", file.display())), "{text}");
    assert!(text.contains("        10.1.0.0/31 dev eth0\n"), "{text}");
}

#[test]
fn what_can_not_be_true_is_refused_with_the_reason() {
    for (arguments, why) in [
        ("--vip 10.0.0.9 --peer 10.0.0.3", "with the length of its prefix"),
        ("--vip 10.0.0.9/33 --peer 10.0.0.3", "with the length of its prefix"),
        ("--vip 127.0.0.1/8 --peer 10.0.0.3", "is no address of one machine"),
        ("--vip 10.0.0.9/24 --peer peer.example", "an address, such as 10.0.0.3"),
        ("--vip 10.0.0.9/24 --peer 10.0.0.3 --priority 155", "155 is not in 1..=154"),
        ("--vip 10.0.0.9/24 --peer 10.0.0.3 --router-id 0", "0 is not in 1..=255"),
        ("--vip 10.0.0.9/24 --peer 10.0.0.3 --interface a{b", "the name of an interface"),
        ("--vip 10.0.0.9/24 --peer 10.0.0.3 --interface a$b", "the name of an interface"),
        ("--vip 10.0.0.9/0 --peer 10.0.0.3", "is no address of one machine"),
        ("--vip 10.0.0.0/24 --peer 10.0.0.3", "is no address of one machine"),
        ("--vip 10.0.0.255/24 --peer 10.0.0.3", "is no address of one machine"),
        ("--vip 255.255.255.255/32 --peer 10.0.0.3", "is no address of one machine"),
        ("--vip 10.0.0.9/24 --peer 10.0.0.255", "is no address of one machine"),
        ("--vip 10.0.0.9/24", "--peer"),
        ("--peer 10.0.0.3", "--vip"),
        ("--vip 10.0.0.9/24 --peer 10.0.0.9", "named twice"),
        ("--vip 10.0.0.9/24 --peer 10.0.0.3 --source 10.0.0.3", "named twice"),
        ("--vip 10.0.0.9/24 --peer 10.0.0.3 --peer fd00::3", "--peer and --source are all IPv4"),
        ("--vip fd00::9/64 --peer 10.0.0.3", "one --vip has to be"),
        ("--vip 10.0.0.9/24 --peer 10.0.0.2", "an address of this machine"),
        ("--vip 10.0.0.9/24 --peer 192.0.2.1", "say --interface"),
        ("--vip 10.0.0.9/24 --peer 10.0.0.3 -c /a'b/proxy.toml", "can't stand in keepalived.conf"),
    ] {
        let told = asked(arguments).and_then(|asked| asked.pair(&machine()).map(|pair| pair.text())).unwrap_err();
        assert!(told.contains(why), "{arguments}: {told}");
    }
}
