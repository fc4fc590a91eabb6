//! Socket addresses as they lie in memory: sockaddr_in, sockaddr_in6, sockaddr_un, byte by byte, from values and back.
//! Read first: sockaddr(3type), ip(7), ipv6(7), unix(7).
//!
//! Of the fields only the family, the scope id and the descriptor's own kinds are in the machine's order; ports and
//! addresses are in network order. Linux has no length field in front. Decoding takes bytes from anywhere: what does not
//! fit is an error, nothing is read behind the end.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::PathBuf;

use crate::address::Address;
use crate::byte_order::Order;

/// An address family with its structure. One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Without its AF_ or PF_.
    pub name: &'static str,
    /// AF_ and PF_ are the same number: socket(2).
    pub number: u16,
    /// The structure.
    pub structure: &'static str,
    /// The bytes of the address itself.
    pub address_bytes: usize,
    /// What they are.
    pub address_is: &'static str,
    /// sizeof of the structure.
    pub size: usize,
}

/// The families whose addresses this program knows.
pub const FAMILIES: [Family; 3] = [
    Family {
        name: "UNIX",
        number: 1,
        structure: "sockaddr_un",
        address_bytes: 108,
        address_is: "sun_path",
        size: 110,
    },
    Family {
        name: "INET",
        number: 2,
        structure: "sockaddr_in",
        address_bytes: 6,
        address_is: "port 2, address 4",
        size: 16,
    },
    Family {
        name: "INET6",
        number: 10,
        structure: "sockaddr_in6",
        address_bytes: 26,
        address_is: "port 2, flow 4, address 16, scope 4",
        size: 28,
    },
];

/// sizeof(struct sockaddr): the family and 14 bytes.
pub const SOCKADDR_SIZE: usize = 16;
/// sizeof(struct sockaddr_storage), which holds any of them, and its alignment on 64-bit machines.
pub const STORAGE_SIZE: usize = 128;
/// The alignment of sockaddr_storage on 64-bit machines.
pub const STORAGE_ALIGNMENT: usize = 8;
/// sizeof(sun_path).
pub const SUN_PATH: usize = 108;

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// How the bytes of a field are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// The machine's.
    Host,
    /// Network order.
    Network,
    /// Bytes, no number.
    None,
}

/// A field of a structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in C.
    pub name: &'static str,
    /// Its first byte, from 0.
    pub start: usize,
    /// Its bytes.
    pub len: usize,
    /// How to read them.
    pub order: ByteOrder,
    /// What they say.
    pub value: String,
}

/// A structure with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sockaddr {
    /// Its family; none where it is one that this program does not know.
    pub family: Option<&'static Family>,
    /// What to give as its length to bind and connect; for a Unix name less than sizeof.
    pub bytes: Vec<u8>,
    /// Its fields, in their order; together they are all of the bytes.
    pub fields: Vec<Field>,
    /// The address; none where the family is not known.
    pub address: Option<Address>,
}

/// Why bytes are no socket address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SockaddrError {
    /// Not even a family.
    NoFamily,
    /// Fewer bytes than the structure has, of how many.
    Cut {
        /// The structure.
        structure: &'static str,
        /// Its size.
        needs: usize,
        /// How many there are.
        has: usize,
    },
    /// More bytes than any socket address has.
    TooLong(usize),
    /// A Unix name that does not fit.
    NameTooLong(usize),
}

impl fmt::Display for SockaddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SockaddrError::NoFamily => {
                f.write_str("a socket address begins with the two bytes of its family")
            }
            SockaddrError::Cut { structure, needs, has } => {
                write!(f, "{structure} has {needs} bytes, and here are {has}")
            }
            SockaddrError::TooLong(has) => {
                write!(f, "no socket address is longer than {STORAGE_SIZE} bytes, and here are {has}")
            }
            SockaddrError::NameTooLong(has) => {
                write!(f, "sun_path holds {SUN_PATH} bytes, and the name needs {has}")
            }
        }
    }
}

impl std::error::Error for SockaddrError {}

impl Sockaddr {
    /// The structure of an address, as a machine of this order has it in memory.
    ///
    /// # Errors
    /// When a Unix name does not fit.
    pub fn of(address: &Address, order: Order) -> Result<Sockaddr, SockaddrError> {
        Sockaddr::parse(&encode(address, order)?, order)
    }

    /// Reads a structure as a machine of this order has it in memory. Bytes behind a structure of a fixed size are taken
    /// for the rest of a sockaddr_storage.
    ///
    /// # Errors
    /// When the bytes cannot be one.
    pub fn parse(bytes: &[u8], order: Order) -> Result<Sockaddr, SockaddrError> {
        let number = match bytes {
            [a, b, ..] => match order {
                Order::Big => u16::from_be_bytes([*a, *b]),
                Order::Little => u16::from_le_bytes([*a, *b]),
            },
            _ => return Err(SockaddrError::NoFamily),
        };
        if bytes.len() > STORAGE_SIZE {
            return Err(SockaddrError::TooLong(bytes.len()));
        }
        let family = FAMILIES.iter().find(|family| family.number == number);
        let mut reader = Reader { bytes, at: 0, fields: Vec::new() };
        let address = match number {
            AF_INET => Some(reader.inet()?),
            AF_INET6 => Some(reader.inet6(order)?),
            AF_UNIX => Some(reader.unix()?),
            _ => {
                reader.push(
                    "sa_family",
                    2,
                    ByteOrder::Host,
                    format!("{number}, a family without a row here"),
                );
                reader.rest("sa_data", "not decoded");
                None
            }
        };
        Ok(Sockaddr { family, bytes: bytes.to_vec(), fields: reader.fields, address })
    }
}

/// The bytes of an address.
fn encode(address: &Address, order: Order) -> Result<Vec<u8>, SockaddrError> {
    let family = |number: u16| order.bytes(number.to_be_bytes()).to_vec();
    Ok(match address {
        Address::Internet(SocketAddr::V4(four)) => {
            [family(AF_INET), four.port().to_be_bytes().to_vec(), four.ip().octets().to_vec(), vec![0; 8]]
                .concat()
        }
        Address::Internet(SocketAddr::V6(six)) => [
            family(AF_INET6),
            six.port().to_be_bytes().to_vec(),
            six.flowinfo().to_be_bytes().to_vec(),
            six.ip().octets().to_vec(),
            order.bytes(six.scope_id().to_be_bytes()).to_vec(),
        ]
        .concat(),
        Address::Path(path) => {
            let name = path.as_os_str().as_encoded_bytes();
            // With its NUL, which the kernel adds where there is room for none.
            unix(family(AF_UNIX), &[name, &[0]].concat())?
        }
        Address::Abstract(name) => unix(family(AF_UNIX), &[&[0], name.as_slice()].concat())?,
        Address::Unnamed => family(AF_UNIX),
    })
}

fn unix(family: Vec<u8>, name: &[u8]) -> Result<Vec<u8>, SockaddrError> {
    match name.len() {
        0..=SUN_PATH => Ok([family, name.to_vec()].concat()),
        more => Err(SockaddrError::NameTooLong(more)),
    }
}

/// The bytes that are being read.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    fields: Vec<Field>,
}

impl Reader<'_> {
    /// The next bytes; the caller has seen that they are there.
    fn push(&mut self, name: &'static str, len: usize, order: ByteOrder, value: String) {
        self.fields.push(Field { name, start: self.at, len, order, value });
        self.at += len;
    }

    fn rest(&mut self, name: &'static str, value: &str) {
        let len = self.bytes.len().saturating_sub(self.at);
        if len > 0 {
            self.push(name, len, ByteOrder::None, value.to_owned());
        }
    }

    fn inet(&mut self) -> Result<Address, SockaddrError> {
        let Some(&[_, _, high, low, a, b, c, d, ..]) = self.bytes.first_chunk::<16>() else {
            return Err(self.cut("sockaddr_in", 16));
        };
        let (port, address) = (u16::from_be_bytes([high, low]), Ipv4Addr::new(a, b, c, d));
        self.push("sin_family", 2, ByteOrder::Host, "AF_INET (2)".to_owned());
        self.push("sin_port", 2, ByteOrder::Network, port.to_string());
        self.push("sin_addr", 4, ByteOrder::Network, address.to_string());
        let is_zero = self.bytes[8..16] == [0; 8];
        let padding = if is_zero { "padding to sizeof(struct sockaddr)" } else { "padding, and not zero" };
        self.push("sin_zero", 8, ByteOrder::None, padding.to_owned());
        self.rest("(storage)", "the rest of sockaddr_storage");
        Ok(SocketAddr::new(IpAddr::V4(address), port).into())
    }

    fn inet6(&mut self, order: Order) -> Result<Address, SockaddrError> {
        let Some(chunk) = self.bytes.first_chunk::<28>() else { return Err(self.cut("sockaddr_in6", 28)) };
        let &[_, _, high, low, f0, f1, f2, f3, ref rest @ ..] = chunk;
        let (port, flow) = (u16::from_be_bytes([high, low]), u32::from_be_bytes([f0, f1, f2, f3]));
        let octets = *rest.first_chunk::<16>().ok_or_else(|| self.cut("sockaddr_in6", 28))?;
        let scope = *rest.last_chunk::<4>().ok_or_else(|| self.cut("sockaddr_in6", 28))?;
        let scope = u32::from_be_bytes(order.bytes(scope));
        let address = Ipv6Addr::from(octets);
        self.push("sin6_family", 2, ByteOrder::Host, "AF_INET6 (10)".to_owned());
        self.push("sin6_port", 2, ByteOrder::Network, port.to_string());
        self.push("sin6_flowinfo", 4, ByteOrder::Network, flow_info(flow));
        self.push("sin6_addr", 16, ByteOrder::Network, address.to_string());
        let interface =
            if scope == 0 { "0, no interface".to_owned() } else { format!("{scope}, an interface's index") };
        self.push("sin6_scope_id", 4, ByteOrder::Host, interface);
        self.rest("(storage)", "the rest of sockaddr_storage");
        Ok(SocketAddr::V6(SocketAddrV6::new(address, port, flow, scope)).into())
    }

    fn unix(&mut self) -> Result<Address, SockaddrError> {
        let path = &self.bytes[2..];
        if path.len() > SUN_PATH {
            return Err(SockaddrError::NameTooLong(path.len()));
        }
        self.push("sun_family", 2, ByteOrder::Host, "AF_UNIX (1)".to_owned());
        if path.is_empty() {
            return Ok(Address::Unnamed);
        }
        if let Some(name) = path.strip_prefix(&[0]) {
            let address = Address::Abstract(name.to_vec());
            let value = format!("{address}, abstract: a NUL first, and no NUL behind");
            self.push("sun_path", path.len(), ByteOrder::None, value);
            return Ok(address);
        }
        let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
        let name = String::from_utf8_lossy(&path[..end]).into_owned();
        let address = Address::Path(PathBuf::from(name));
        let ending = if end < path.len() { ", with its NUL" } else { ", without a NUL" };
        self.push("sun_path", path.len().min(end + 1), ByteOrder::None, format!("{address}{ending}"));
        self.rest("(unused)", "behind the NUL");
        Ok(address)
    }

    fn cut(&self, structure: &'static str, needs: usize) -> SockaddrError {
        SockaddrError::Cut { structure, needs, has: self.bytes.len() }
    }
}

/// Traffic class and flow label: RFC 3493 §3.3, RFC 6437.
fn flow_info(flow: u32) -> String {
    match flow {
        0 => "0, no traffic class and no flow label".to_owned(),
        _ => format!("traffic class {}, flow label {:#07x}", flow >> 20 & 0xff, flow & 0xf_ffff),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> Address {
        Address::Internet(text.parse().expect(text))
    }

    /// linux/in.h, linux/in6.h, linux/un.h, linux/socket.h.
    #[test]
    fn sizes_are_those_of_the_kernels_headers() {
        let sizes = FAMILIES.map(|family| (family.number, family.address_bytes, family.size));
        assert_eq!(sizes, [(1, 108, 110), (2, 6, 16), (10, 26, 28)]);
        assert_eq!((SOCKADDR_SIZE, STORAGE_SIZE), (16, 128));
    }

    #[test]
    fn ports_and_addresses_are_in_network_order_and_families_are_not() {
        let little = Sockaddr::of(&address("127.0.0.1:8080"), Order::Little).expect("fits");
        assert_eq!(little.bytes, [2, 0, 0x1f, 0x90, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        let big = Sockaddr::of(&address("127.0.0.1:8080"), Order::Big).expect("fits");
        assert_eq!(big.bytes[..4], [0, 2, 0x1f, 0x90]);
        let scoped =
            Address::Internet(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 1, 0x0abc_def0, 3)));
        let scoped = Sockaddr::of(&scoped, Order::Little).expect("fits");
        assert_eq!((scoped.bytes.len(), &scoped.bytes[24..]), (28, &[3, 0, 0, 0][..]));
        let flow = &scoped.fields[2];
        assert_eq!(
            (flow.name, flow.value.as_str()),
            ("sin6_flowinfo", "traffic class 171, flow label 0xcdef0")
        );
    }

    #[test]
    fn unix_names_are_as_long_as_they_are() {
        let of = |address| Sockaddr::of(&address, Order::Little);
        assert_eq!(of(Address::Path("/x".into())).expect("fits").bytes, *b"\x01\0/x\0");
        assert_eq!(of(Address::Abstract(b"x".to_vec())).expect("fits").bytes, *b"\x01\0\0x");
        assert_eq!(of(Address::Unnamed).expect("fits").bytes, [1, 0]);
        assert_eq!(of(Address::Path("x".repeat(108).into())), Err(SockaddrError::NameTooLong(109)));
        let padded = Sockaddr::parse(b"\x01\0/x\0\0\0", Order::Little).expect("a name");
        assert_eq!((padded.address, padded.fields.len()), (Some(Address::Path("/x".into())), 3));
    }

    #[test]
    fn what_is_cut_is_told() {
        let wrong = |bytes: &[u8]| Sockaddr::parse(bytes, Order::Little).expect_err("no address").to_string();
        assert_eq!(wrong(&[]), "a socket address begins with the two bytes of its family");
        assert_eq!(wrong(&[2, 0, 1]), "sockaddr_in has 16 bytes, and here are 3");
        assert_eq!(wrong(&[10, 0, 1]), "sockaddr_in6 has 28 bytes, and here are 3");
        assert_eq!(wrong(&[2; 129]), "no socket address is longer than 128 bytes, and here are 129");
        let unknown = Sockaddr::parse(&[17, 0, 1, 2], Order::Little).expect("another family");
        assert_eq!((unknown.family, unknown.fields.len(), unknown.address), (None, 2, None));
    }

    proptest! {
        #[test]
        fn bytes_are_read_or_refused_and_fields_are_all_of_them(
            bytes in prop::collection::vec(any::<u8>(), 0..140), family in 0u8..12, big: bool
        ) {
            let mut bytes = bytes;
            if let [first, second, ..] = bytes.as_mut_slice() {
                (*first, *second) = if big { (0, family) } else { (family, 0) };
            }
            let order = if big { Order::Big } else { Order::Little };
            if let Ok(read) = Sockaddr::parse(&bytes, order) {
                let mut at = 0;
                for field in &read.fields {
                    prop_assert_eq!(field.start, at);
                    at += field.len;
                }
                prop_assert_eq!(at, bytes.len());
            }
        }

        #[test]
        fn internet_addresses_read_back(ip: [u8; 16], four: bool, port: u16, scope: u32, flow in 0u32..1 << 28) {
            let address = if four {
                SocketAddr::from(([ip[0], ip[1], ip[2], ip[3]], port))
            } else {
                SocketAddr::V6(SocketAddrV6::new(ip.into(), port, flow, scope))
            };
            for order in [Order::Big, Order::Little] {
                let read = Sockaddr::of(&address.into(), order).expect("fits");
                prop_assert_eq!(read.address, Some(address.into()));
            }
        }

        #[test]
        fn unix_names_read_back(name in "[a-z/]{1,107}", is_abstract: bool) {
            let address =
                if is_abstract { Address::Abstract(name.into_bytes()) } else { Address::Path(name.into()) };
            prop_assert_eq!(Sockaddr::of(&address, Order::Little).expect("fits").address, Some(address));
        }
    }
}
