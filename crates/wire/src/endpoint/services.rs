//! The service names that are known without asking the system. Read first: RFC 6335; the IANA registry of service names
//! and port numbers. The edge may know more of them (/etc/services).

/// Names and ports, TCP's; sorted by name.
const SERVICES: [(&str, u16); 43] = [
    ("bgp", 179),
    ("chargen", 19),
    ("daytime", 13),
    ("discard", 9),
    ("domain", 53),
    ("echo", 7),
    ("finger", 79),
    ("ftp", 21),
    ("ftp-data", 20),
    ("gopher", 70),
    ("http", 80),
    ("http-alt", 8080),
    ("https", 443),
    ("imap", 143),
    ("imaps", 993),
    ("ipp", 631),
    ("irc", 194),
    ("kerberos", 88),
    ("ldap", 389),
    ("ldaps", 636),
    ("mqtt", 1883),
    ("mysql", 3306),
    ("nntp", 119),
    ("ntp", 123),
    ("pop3", 110),
    ("pop3s", 995),
    ("postgresql", 5432),
    ("qotd", 17),
    ("rsync", 873),
    ("rtsp", 554),
    ("sip", 5060),
    ("sips", 5061),
    ("smtp", 25),
    ("snmp", 161),
    ("socks", 1080),
    ("ssh", 22),
    ("submission", 587),
    ("sunrpc", 111),
    ("syslog", 514),
    ("telnet", 23),
    ("tftp", 69),
    ("time", 37),
    ("whois", 43),
];

/// The port of a well-known service, whose name is given in lower case.
pub fn well_known_port(name: &str) -> Option<u16> {
    let found = SERVICES.binary_search_by_key(&name, |(name, _)| name);
    found.ok().map(|position| SERVICES[position].1)
}

/// The name of the well-known service at a port.
pub fn well_known_name(port: u16) -> Option<&'static str> {
    SERVICES.iter().find(|(_, known)| *known == port).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_it_can_be_searched() {
        assert!(SERVICES.is_sorted_by(|(a, _), (b, _)| a < b));
    }

    /// RFC 862, 863, 864, 865, 867, 868: the ports of the simple services.
    #[test]
    fn the_simple_services_have_their_ports() {
        let ports = ["echo", "discard", "chargen", "qotd", "daytime", "time"].map(well_known_port);
        assert_eq!(ports, [7, 9, 19, 17, 13, 37].map(Some));
        let names = [7, 13, 443, 1].map(well_known_name);
        assert_eq!(names, [Some("echo"), Some("daytime"), Some("https"), None]);
    }
}
