//! The address told to clients: `brokerIP1`, else a bound one, else that of the interface of the default route.
//!
//! A wrong address is the most common reason why a first client cannot connect (docker0 instead of eth0), so the choice
//! is printed with its reason and its alternatives.

use std::net::IpAddr;

use super::Check;
use crate::config::{Advertised, Candidate};

/// Pure: the interfaces are in the order in which the kernel lists them.
pub fn choose(broker_ip1: Option<&str>, bind: IpAddr, default_interface: Option<&str>, interfaces: &[Candidate]) -> Advertised {
    let v4_first = |wanted: &dyn Fn(&Candidate) -> bool| {
        let of_kind = |v4: bool| interfaces.iter().find(|candidate| candidate.address.is_ipv4() == v4 && wanted(candidate));
        of_kind(true).or_else(|| of_kind(false))
    };
    let routed = default_interface.and_then(|name| v4_first(&|candidate| candidate.interface == name));
    let any = || v4_first(&|candidate| !candidate.interface.starts_with("docker") && !candidate.interface.starts_with("veth"));
    let (address, because) = match (broker_ip1, routed.or_else(any)) {
        (Some(given), _) => (given.to_string(), "brokerIP1".to_string()),
        (None, _) if !bind.is_unspecified() => (bind.to_string(), "bindAddress".to_string()),
        (None, Some(found)) if routed.is_some() => (found.address.to_string(), format!("{}, the default route", found.interface)),
        (None, Some(found)) => (found.address.to_string(), format!("{}, no default route", found.interface)),
        (None, None) => ("127.0.0.1".to_string(), ONLY_LOOPBACK.to_string()),
    };
    let alternatives = interfaces.iter().filter(|candidate| candidate.address.to_string() != address).cloned().collect();
    Advertised { address, because, alternatives }
}

const ONLY_LOOPBACK: &str = "no other interface is up";

pub(super) fn check(advertised: &Advertised) -> Check {
    let name = "advertised";
    let Advertised { address, because, .. } = advertised;
    let found = format!("{address} ({because}){}", alternatives(advertised));
    match because == ONLY_LOOPBACK {
        true => Check::warn(name, found, "--set brokerIP1=ADDRESS   # clients on other machines cannot reach 127.0.0.1"),
        false => Check::ok(name, found),
    }
}

/// Behind the address: "; or brokerIP1=172.17.0.1 (docker0)".
pub fn alternatives(advertised: &Advertised) -> String {
    let others: Vec<String> =
        advertised.alternatives.iter().map(|other| format!("{} ({})", other.address, other.interface)).collect();
    if others.is_empty() { String::new() } else { format!("; or brokerIP1={}", others.join(", ")) }
}

/// From /proc/net/route, else /proc/net/ipv6_route: the interface of the default route with the smallest metric.
pub fn default_interface(route: &str, ipv6_route: &str) -> Option<String> {
    const UP: u32 = 0x1;
    let v4 = route.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let up = u32::from_str_radix(fields.get(3)?, 16).ok()? & UP != 0;
        (up && fields[1] == "00000000" && *fields.get(7)? == "00000000").then_some((fields[6].parse().ok()?, fields[0]))
    });
    let v6 = ipv6_route.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let default = fields.first()?.bytes().all(|digit| digit == b'0') && *fields.get(1)? == "00";
        (default && *fields.get(9)? != "lo").then_some((u32::from_str_radix(fields[5], 16).ok()?, fields[9]))
    });
    v4.min_by_key(|(metric, _): &(u32, _)| *metric)
        .or_else(|| v6.min_by_key(|(metric, _)| *metric))
        .map(|(_, name)| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                         docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
                         wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
                         eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
    const ANY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

    fn interfaces() -> Vec<Candidate> {
        [("docker0", "172.17.0.1"), ("eth0", "2001:db8::5"), ("eth0", "10.0.0.5")]
            .map(|(interface, address)| Candidate { interface: interface.to_string(), address: address.parse().unwrap() })
            .to_vec()
    }

    #[test]
    fn the_default_route_with_the_smallest_metric() {
        assert_eq!(default_interface(ROUTE, "").as_deref(), Some("eth0"));
        let v6 = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1\n";
        assert_eq!(default_interface("", v6).as_deref(), Some("eth1"));
        assert_eq!(default_interface("Iface\n", ""), None);
    }

    #[track_caller]
    fn check_choice(ip1: Option<&str>, bind: IpAddr, route: Option<&str>, address: &str, because: &str) {
        let chosen = choose(ip1, bind, route, &interfaces());
        assert_eq!((chosen.address.as_str(), chosen.because.as_str()), (address, because));
        assert!(chosen.alternatives.iter().all(|other| other.address.to_string() != address));
    }

    #[test]
    fn precedence() {
        check_choice(Some("203.0.113.9"), ANY, Some("eth0"), "203.0.113.9", "brokerIP1");
        check_choice(None, "127.0.0.1".parse().unwrap(), Some("eth0"), "127.0.0.1", "bindAddress");
        check_choice(None, ANY, Some("eth0"), "10.0.0.5", "eth0, the default route");
        check_choice(None, ANY, None, "10.0.0.5", "eth0, no default route");
        assert_eq!(choose(None, ANY, None, &[]).address, "127.0.0.1");
    }

    #[test]
    fn alternatives_are_named() {
        let chosen = choose(None, ANY, Some("eth0"), &interfaces());
        assert_eq!(alternatives(&chosen), "; or brokerIP1=172.17.0.1 (docker0), 2001:db8::5 (eth0)");
    }
}
