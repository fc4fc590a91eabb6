//! Byte order: which one a machine has, and what its swapping functions make of a number. Read first: byteorder(3),
//! RFC 791 appendix B.

/// In which order the bytes of a number stand in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// The most significant byte first: network order.
    Big,
    /// The least significant byte first.
    Little,
}

impl Order {
    /// This machine's, found by looking how a number lies in its memory.
    pub fn native() -> Order {
        match 0x0102_u16.to_ne_bytes() {
            [0x01, 0x02] => Order::Big,
            _ => Order::Little,
        }
    }

    /// `big-endian` or `little-endian`.
    pub fn name(self) -> &'static str {
        match self {
            Order::Big => "big-endian",
            Order::Little => "little-endian",
        }
    }

    /// The bytes of a number as this order has them in memory.
    pub fn bytes<const N: usize>(self, big_endian: [u8; N]) -> [u8; N] {
        let mut bytes = big_endian;
        if self == Order::Little {
            bytes.reverse();
        }
        bytes
    }
}

/// How many bits a number is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// A byte: nothing to swap.
    W8,
    /// A port: htons, ntohs.
    W16,
    /// An IPv4 address: htonl, ntohl.
    W32,
    /// htobe64, be64toh.
    W64,
    /// An IPv6 address.
    W128,
}

impl Width {
    /// The smallest that holds a number.
    pub fn of(value: u128) -> Width {
        match 128 - value.leading_zeros() {
            0..=8 => Width::W8,
            9..=16 => Width::W16,
            17..=32 => Width::W32,
            33..=64 => Width::W64,
            _ => Width::W128,
        }
    }

    /// Its bytes.
    pub fn bytes(self) -> usize {
        match self {
            Width::W8 => 1,
            Width::W16 => 2,
            Width::W32 => 4,
            Width::W64 => 8,
            Width::W128 => 16,
        }
    }

    /// The functions that swap it, there and back; none where C has none.
    pub fn functions(self) -> Option<(&'static str, &'static str)> {
        match self {
            Width::W16 => Some(("htons", "ntohs")),
            Width::W32 => Some(("htonl", "ntohl")),
            Width::W64 => Some(("htobe64", "be64toh")),
            Width::W8 | Width::W128 => None,
        }
    }
}

/// A number with its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    /// Its value.
    pub value: u128,
    /// How many bits it has.
    pub width: Width,
}

impl Number {
    /// A number in the smallest width that holds it.
    pub fn of(value: u128) -> Number {
        Number { value, width: Width::of(value) }
    }

    /// The same number with its bytes the other way round.
    pub fn swapped(self) -> Number {
        Number { value: self.value.swap_bytes() >> (128 - 8 * self.width.bytes()), ..self }
    }

    /// Its bytes, the most significant first.
    pub fn big_endian(self) -> Vec<u8> {
        self.value.to_be_bytes()[16 - self.width.bytes()..].to_vec()
    }

    /// Its bytes as a machine of this order has them in memory.
    pub fn in_memory(self, order: Order) -> Vec<u8> {
        let mut bytes = self.big_endian();
        if order == Order::Little {
            bytes.reverse();
        }
        bytes
    }

    /// What htons, htonl or htobe64 return on such a machine; ntohs and the others return the same.
    pub fn to_network(self, order: Order) -> Number {
        match order {
            Order::Big => self,
            Order::Little => self.swapped(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn this_machine_is_what_the_compiler_says() {
        let expected = if cfg!(target_endian = "big") { Order::Big } else { Order::Little };
        assert_eq!(Order::native(), expected);
    }

    /// 8080 is 0x1f90, and 36895 is 0x901f.
    #[test]
    fn a_port_is_swapped() {
        let port = Number { value: 8080, width: Width::W16 };
        assert_eq!(port.to_network(Order::Little).value, 36895);
        assert_eq!(port.to_network(Order::Big).value, 8080);
        assert_eq!(port.in_memory(Order::Little), [0x90, 0x1f]);
        assert_eq!(port.big_endian(), [0x1f, 0x90]);
        assert_eq!(Number::of(0x7f).swapped().value, 0x7f);
        assert_eq!(Number::of(0x0001_0000).swapped().value, 0x0100);
    }

    proptest! {
        #[test]
        fn swapping_twice_is_nothing(value: u128, shift in 0u32..128) {
            let number = Number::of(value >> shift);
            prop_assert_eq!(number.swapped().swapped(), number);
            prop_assert_eq!(number.in_memory(Order::Little), number.swapped().big_endian());
        }

        #[test]
        fn it_is_what_the_language_does(value: u32) {
            let number = Number { value: value.into(), width: Width::W32 };
            prop_assert_eq!(number.swapped().value, u128::from(value.swap_bytes()));
            prop_assert_eq!(number.in_memory(Order::native()), value.to_ne_bytes());
            prop_assert_eq!(number.to_network(Order::native()).value, u128::from(value.to_be()));
        }
    }
}
