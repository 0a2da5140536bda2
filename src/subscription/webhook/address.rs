//! Where deliveries may go.
//!
//! What comes in: the address of an endpoint as somebody wrote it, and later the addresses that its
//! name resolves to. What goes out: those that a delivery may connect to. What may fail: an address
//! that is none ([`EndpointError`]), or that is not permitted. What must stay true: whoever may make
//! a subscription can't make this server ask for them what only this server can reach. A name is
//! resolved and judged in one step, and the connection goes to the very address that was judged, so
//! that a name which resolves to something else a moment later gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Longest address of an endpoint, in bytes.
const MAX_URL_BYTES: usize = 2048;

/// What is permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permitted {
    /// Public addresses over TLS.
    Public,
    /// Any address, with or without TLS: for endpoints in the same network, and for tests.
    Private,
}

/// Why the address of an endpoint cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No URL, or one with parts that are not for this.
    #[error("{0} is not the address of an endpoint: write https://host/path")]
    Malformed(String),
    /// A user name or a password in it would be stored and shown.
    #[error(
        "the address of an endpoint must have no user name and no password: verify signatures instead"
    )]
    Credentials,
    /// Longer than anybody needs.
    #[error("the address of an endpoint has {0} bytes; at most {MAX_URL_BYTES} are possible")]
    TooLong(usize),
    /// Not over TLS.
    #[error("{0} does not begin with https://; --allow-private-webhooks permits http://, too")]
    Plain(String),
    /// Not a public address.
    #[error("{0} is not a public address; --allow-private-webhooks permits it")]
    Private(String),
}

impl Permitted {
    /// Reads the address of an endpoint. What its name resolves to is judged at each delivery.
    ///
    /// # Errors
    /// When it is none, or not permitted.
    pub fn endpoint(self, text: &str) -> Result<Url, EndpointError> {
        if text.len() > MAX_URL_BYTES {
            return Err(EndpointError::TooLong(text.len()));
        }
        let malformed = || EndpointError::Malformed(text.to_owned());
        let url = Url::parse(text).map_err(|_| malformed())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Credentials);
        }
        if !matches!(url.scheme(), "https" | "http") || url.fragment().is_some() {
            return Err(malformed());
        }
        if self == Self::Public && url.scheme() != "https" {
            return Err(EndpointError::Plain(text.to_owned()));
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(malformed)?;
        // An address that is written out is never resolved, so it is judged here. Whatever way of
        // writing it was chosen (0x7f.1, 2130706433), it has been read as an address by now.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(address) if !self.permits(address) => Err(EndpointError::Private(host.to_owned())),
            _ => Ok(url),
        }
    }

    /// Whether a delivery may connect to an address.
    #[must_use]
    pub fn permits(self, address: IpAddr) -> bool {
        self == Self::Private || is_public(address)
    }
}

/// Whether an address is one that anybody in the Internet could reach. Permitted is what is known to
/// be public, so that what is yet to be assigned is not.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// By the registry of special addresses (RFC 6890 and its IANA registry).
#[expect(clippy::unnested_or_patterns, reason = "a line for each reason")]
fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        // This network; private; loopback; link-local, where clouds keep what they tell a machine
        // about itself.
        [0 | 10 | 127, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [169, 254, ..]
        // Shared with the provider (RFC 6598).
        | [100, 64..=127, ..]
        // Protocols; documentation; relays of 6to4; benchmarks.
        | [192, 0, 0 | 2, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        // Multicast; reserved; broadcast.
        | [224..=255, ..] => true,
        _ => false,
    };
    !special
}

/// Only `2000::/3` is assigned. So loopback, link-local, unique local and multicast addresses, those
/// that stand for an IPv4 address (`::ffff:0:0/96`, `64:ff9b::/96`) and the rest are none of it.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let special = match (first, second) {
        // Protocols, with Teredo; documentation; 6to4, which stands for an IPv4 address.
        (0x2001, 0..=0x01ff | 0x0db8) | (0x2002, _) | (0x3fff, 0..=0x0fff) => true,
        _ => false,
    };
    first & 0xe000 == 0x2000 && !special
}

/// Resolves names to what is permitted.
#[derive(Debug, Clone, Copy)]
pub struct Resolver(pub Permitted);

/// A name that resolves to nothing that is permitted.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to no public address")]
pub struct NotPermitted;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let permitted = self.0;
        Box::pin(async move {
            // The port is put in by the caller.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept: Vec<SocketAddr> = found
                .filter(|address| permitted.permits(address.ip()))
                .collect();
            if kept.is_empty() {
                return Err(NotPermitted.into());
            }
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: [&str; 12] = [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2001:200::1",
        "2a00:1450:4001::1",
    ];
    const SPECIAL: [&str; 40] = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:1.1.1.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "100::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
    ];

    #[test]
    fn what_is_public_is_known_from_what_is_not() {
        for text in PUBLIC {
            assert!(is_public(text.parse().unwrap()), "{text} is public");
        }
        for text in SPECIAL {
            let address = text.parse().unwrap();
            assert!(!is_public(address), "{text} is not public");
            assert!(Permitted::Private.permits(address), "{text}");
        }
    }

    #[test]
    fn an_address_that_is_written_out_is_judged_however_it_is_written() {
        let public = Permitted::Public;
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "１２７.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[fd00::1]",
            "169.254.169.254",
        ] {
            let text = format!("https://{host}/hook");
            let refused = public.endpoint(&text).unwrap_err();
            assert!(
                matches!(refused, EndpointError::Private(_)),
                "{text}: {refused}"
            );
            assert!(Permitted::Private.endpoint(&text).is_ok(), "{text}");
        }
        for text in ["https://1.1.1.1/", "https://hooks.example:8443/a?b=c"] {
            assert!(public.endpoint(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_its_reason() {
        use EndpointError::{Credentials, Malformed, Plain, TooLong};
        let of = |text: &str| Permitted::Public.endpoint(text).unwrap_err();
        for text in [
            "",
            "hooks.example",
            "https://",
            "ftp://a.example/",
            "https://a.example/#b",
        ] {
            assert_eq!(of(text), Malformed(text.to_owned()));
        }
        assert_eq!(of("https://me:secret@a.example/"), Credentials);
        assert!(
            !of("https://me:secret@a.example/")
                .to_string()
                .contains("secret")
        );
        let plain = "http://a.example/";
        assert_eq!(of(plain), Plain(plain.to_owned()));
        assert!(Permitted::Private.endpoint(plain).is_ok());
        let long = format!("https://a.example/{}", "b".repeat(MAX_URL_BYTES));
        assert_eq!(of(&long), TooLong(long.len()));
    }

    #[tokio::test]
    async fn a_name_of_this_machine_resolves_to_nothing() {
        let name = || "localhost".parse::<Name>().unwrap();
        let refused = Resolver(Permitted::Public).resolve(name()).await;
        let Err(refused) = refused else {
            panic!("localhost is permitted");
        };
        assert!(refused.is::<NotPermitted>(), "{refused}");
        let found = Resolver(Permitted::Private).resolve(name()).await;
        assert!(found.unwrap().next().is_some());
    }
}
