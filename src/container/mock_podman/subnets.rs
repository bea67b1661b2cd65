//! Ranges of addresses, and where containers are in them.

use std::net::Ipv4Addr;

use super::container::Container;
use super::reply::{Refused, refuse};
use super::state::State;

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Subnet {
    /// The first one, which is the network's own.
    pub(super) address: Ipv4Addr,
    /// How many bits all of them share.
    pub(super) length: u8,
}

impl Subnet {
    /// That of the network `podman`, as labs have it.
    pub(super) fn default_one() -> Self {
        Self {
            address: Ipv4Addr::new(10, 77, 0, 0),
            length: 16,
        }
    }

    /// Those that podman gives to networks for which none was asked, in its order.
    pub(super) fn pool() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(|number| Self {
            address: Ipv4Addr::new(10, 78, number, 0),
            length: 24,
        })
    }

    /// Reads `10.99.0.0/24`.
    pub(super) fn parse(text: &str) -> Result<Self, Refused> {
        let read = || {
            let (address, length) = text.split_once('/')?;
            let (address, length) = (address.parse().ok()?, length.parse().ok()?);
            (length <= 32).then_some(Self { address, length })
        };
        read().ok_or_else(|| refuse(125, format!("invalid CIDR address: {text}")))
    }

    /// The first address that a host can have; podman's own in the network.
    pub(super) fn gateway(self) -> Ipv4Addr {
        self.host(1)
    }

    /// Its address of that number.
    pub(super) fn host(self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() + number)
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        let bits = u32::from(self.length.min(other.length));
        let cut = |address: Ipv4Addr| address.to_bits().checked_shr(32 - bits).unwrap_or(0);
        cut(self.address) == cut(other.address)
    }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// Where a container is in a network.
pub(super) struct Place {
    pub(super) subnet: Subnet,
    pub(super) address: String,
    pub(super) mac: String,
}

impl State {
    /// Where a container that runs is in one of its networks.
    pub(super) fn place(&self, container: &Container, name: &str) -> Place {
        let subnet = self
            .networks
            .get(name)
            .map_or_else(Subnet::default_one, |network| network.subnet);
        let asked = container
            .options
            .ip
            .clone()
            .filter(|_| name == container.network);
        let id = &container.id;
        let mac = [&id[..2], &id[2..4], &id[4..6], &id[6..8], &id[8..10]];
        Place {
            subnet,
            address: asked.unwrap_or_else(|| subnet.host(container.pid % 250 + 2).to_string()),
            mac: format!("0a:{}", mac.join(":")),
        }
    }
}
