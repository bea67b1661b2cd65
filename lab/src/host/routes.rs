//! IPv4 networks and the routes of this network namespace, from `/proc/net/route`.

use std::fmt;
use std::net::Ipv4Addr;

use super::error::{Fact, ParseError};
use super::files::Files;

/// An IPv4 network: the first address and the length of its prefix in bits, 0 to 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    /// The first address.
    pub base: Ipv4Addr,
    /// Bits that all its addresses share.
    pub prefix: u8,
}

impl Subnet {
    /// The network of `prefix` bits that starts at `base`.
    pub const fn new(base: [u8; 4], prefix: u8) -> Self {
        let [a, b, c, d] = base;
        Self {
            base: Ipv4Addr::new(a, b, c, d),
            prefix,
        }
    }

    /// Whether every address of `other` is one of ours.
    pub fn contains(&self, other: &Self) -> bool {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix));
        let mask = mask.unwrap_or(0);
        self.prefix <= other.prefix && other.base.to_bits() & mask == self.base.to_bits() & mask
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// A route that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where it leads; prefix 0 is the default route.
    pub to: Subnet,
    /// The interface it leads through; `*` for a route that refuses.
    pub interface: String,
}

impl Route {
    /// Reads the routes of the main table.
    pub fn read_all(files: &Files) -> Fact<Vec<Self>> {
        files.parse("/proc/net/route", Self::parse_all)
    }

    /// Parses the text of `/proc/net/route`: a heading, then one route a line; routes that are down are left out.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, ParseError> {
        let mut routes = Vec::new();
        for line in text.lines().skip(1) {
            // Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
            let columns: Vec<&str> = line.split_whitespace().collect();
            let [interface, to, _, flags, _, _, _, mask, ..] = columns[..] else {
                return Err(ParseError::malformed("a route", line));
            };
            const UP: u32 = 1;
            if hexadecimal(flags)? & UP == 0 {
                continue;
            }
            // The kernel prints the four bytes of an address as one number of its own byte order.
            let base = Ipv4Addr::from(hexadecimal(to)?.to_ne_bytes());
            let mask = hexadecimal(mask)?;
            routes.push(Self {
                to: Subnet {
                    base,
                    prefix: mask.count_ones() as u8,
                },
                interface: interface.to_owned(),
            });
        }
        Ok(routes)
    }
}

fn hexadecimal(text: &str) -> Result<u32, ParseError> {
    u32::from_str_radix(text, 16).map_err(|_| ParseError::malformed("a hexadecimal number", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a little-endian machine prints it; `tun0` is down.
    #[cfg(target_endian = "little")]
    const ROUTES: &str = "\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT                                                       
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0                                                                               
podman0	0000580A	00000000	0001	0	0	0	0000FFFF	0	0	0                                                                            
tun0	00004D0A	00000000	0000	0	0	0	0000FFFF	0	0	0                                                                            
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0                                                                               
";

    #[cfg(target_endian = "little")]
    #[test]
    fn addresses_are_in_the_order_of_the_bytes() {
        let routes = Route::parse_all(ROUTES).expect("parsed");
        let shown: Vec<_> = routes
            .iter()
            .map(|route| format!("{} {}", route.to, route.interface))
            .collect();
        let expected = [
            "0.0.0.0/0 eth0",
            "10.88.0.0/16 podman0",
            "192.0.2.0/24 eth0",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_heading_alone_is_no_route_and_a_short_line_an_error() {
        assert_eq!(Route::parse_all("Iface\tDestination\n"), Ok(Vec::new()));
        assert!(Route::parse_all("Iface\neth0 00000000 010200C0\n").is_err());
    }

    #[test]
    fn a_network_contains_itself_and_its_parts() {
        let outer = Subnet::new([10, 77, 0, 0], 16);
        assert!(outer.contains(&outer));
        assert!(outer.contains(&Subnet::new([10, 77, 3, 0], 24)));
        assert!(!outer.contains(&Subnet::new([10, 78, 0, 0], 16)));
        assert!(!outer.contains(&Subnet::new([10, 0, 0, 0], 8)));
        assert!(Subnet::new([10, 0, 0, 0], 8).contains(&outer));
        let wider = Subnet::new([10, 76, 0, 0], 15);
        assert!(wider.contains(&outer) && !outer.contains(&wider));
        let same_start = Subnet::new([10, 77, 0, 0], 17);
        assert!(outer.contains(&same_start) && !same_start.contains(&outer));
        assert!(Subnet::new([0, 0, 0, 0], 0).contains(&outer));
        let host = Subnet::new([10, 77, 0, 1], 32);
        assert!(host.contains(&host) && outer.contains(&host));
    }
}
