//! How many sockets there are: the text of /proc/net/sockstat, sockstat6 and snmp. Read first: proc_pid_net(5).
//!
//! A line that is not understood is left out; nothing panics.

/// Numbers by the name of their line and their own: `TCP`, `inuse`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sockstat {
    numbers: Vec<(String, String, u64)>,
}

impl Sockstat {
    /// Reads `NAME: KEY NUMBER KEY NUMBER …` line by line; several texts may be joined.
    pub fn decode(text: &str) -> Sockstat {
        let mut numbers = Vec::new();
        for (name, rest) in text.lines().filter_map(|line| line.split_once(':')) {
            let mut words = rest.split_ascii_whitespace();
            while let (Some(key), Some(number)) = (words.next(), words.next()) {
                let Ok(number) = number.parse() else { break };
                numbers.push((name.to_owned(), key.to_owned(), number));
            }
        }
        Sockstat { numbers }
    }

    /// One of the numbers; 0 where it is not there.
    pub fn number(&self, name: &str, key: &str) -> u64 {
        let found = self.numbers.iter().find(|(of, known, _)| of == name && known == key);
        found.map_or(0, |(_, _, number)| *number)
    }
}

/// A counter of /proc/net/snmp, which has the names in one line and the numbers in the next: `Tcp`, `CurrEstab`.
pub fn snmp(text: &str, name: &str, key: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let (keys, numbers) = (lines.next()?, lines.next()?);
    let place = keys.split(' ').position(|known| known == key)?;
    numbers.split(' ').nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_found_by_their_names() {
        let text =
            "sockets: used 23\nTCP: inuse 1 orphan 0 tw 2 alloc 3 mem 316\nUDP6: inuse 4\nodd: x y z\n";
        let stat = Sockstat::decode(text);
        assert_eq!(stat.number("sockets", "used"), 23);
        assert_eq!(
            (stat.number("TCP", "tw"), stat.number("TCP", "alloc"), stat.number("UDP6", "inuse")),
            (2, 3, 4)
        );
        assert_eq!((stat.number("TCP", "nothing"), stat.number("odd", "x")), (0, 0));
        let text = "Ip: A B\nIp: 1 2\nTcp: MaxConn CurrEstab\nTcp: -1 7\n";
        assert_eq!(snmp(text, "Tcp", "CurrEstab"), Some(7));
        assert_eq!((snmp(text, "Tcp", "MaxConn"), snmp(text, "Udp", "A")), (None, None));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC*\n?\\PC*") {
            let _ = (Sockstat::decode(&text), snmp(&text, "Tcp", "CurrEstab"));
        }
    }
}
