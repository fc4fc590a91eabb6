//! `addr` beside python3's ipaddress and socket modules, and as people use it.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value;

use crate::running::{bothends, has, of_type, records, run, stderr, stdout};

/// What python makes of each line of its input, one JSON object a line. Its `ipaddress` speaks for canonical texts,
/// numbers and what is embedded; `socket`, which is the C library, for what each function takes.
const ORACLE: &str = r#"
import ipaddress, json, socket, sys
def ask(call, *arguments):
    try: return call(*arguments)
    except (OSError, ValueError, UnicodeError): return None
def numeric(text):
    try: return socket.getaddrinfo(text, None, flags=socket.AI_NUMERICHOST, type=socket.SOCK_STREAM)[0][4][0].split("%")[0]
    except (OSError, UnicodeError): return None
for line in sys.stdin:
    text = line.rstrip("\n")
    aton, four, six = ask(socket.inet_aton, text), ask(socket.inet_pton, socket.AF_INET, text), ask(socket.inet_pton, socket.AF_INET6, text)
    said = {"aton": aton and aton.hex(), "four": four and four.hex(), "six": six and six.hex(), "numeric": numeric(text)}
    address = ask(ipaddress.ip_address, text)
    if address is not None and "%" not in text:
        said["ip"] = {"ntop": socket.inet_ntop(socket.AF_INET if address.version == 4 else socket.AF_INET6, address.packed),
            "full": address.exploded, "integer": str(int(address)), "reverse": address.reverse_pointer,
            "loopback": address.is_loopback, "multicast": address.is_multicast, "unspecified": address.is_unspecified,
            "hex": address.packed.hex()}
        if address.version == 6:
            said["ip"]["mapped"] = str(address.ipv4_mapped) if address.ipv4_mapped else None
            said["ip"]["sixtofour"] = str(address.sixtofour) if address.sixtofour else None
            said["ip"]["teredo"] = str(address.teredo[1]) if address.teredo else None
    network = ask(lambda text: ipaddress.ip_network(text, strict=False), text) if "/" in text else None
    if network is not None:
        said["network"] = {"network": str(network), "last": str(network.broadcast_address), "netmask": str(network.netmask),
            "count": network.num_addresses if network.num_addresses < 2 ** 64 else None}
    print(json.dumps(said))
"#;

/// Numbers that look random and are the same at every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % below
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[usize::try_from(self.roll(words.len() as u64)).unwrap()]
    }
}

/// Addresses, networks, old forms, and things that are nearly one of them.
fn text(dice: &mut Dice) -> String {
    let mut text = match dice.roll(9) {
        0 => std::net::Ipv4Addr::from(dice.roll(1 << 32) as u32).to_string(),
        1 | 2 => six(dice).to_string(),
        3 => {
            let groups: Vec<String> =
                six(dice).segments().iter().map(|group| format!("{group:04x}")).collect();
            groups.join(":")
        }
        4 => old(dice),
        5 => format!("{}/{}", std::net::Ipv4Addr::from(dice.roll(1 << 32) as u32), dice.roll(34)),
        6 => format!("{}/{}", six(dice), dice.roll(131)),
        7 => format!(
            "::{}{}",
            dice.one_of(&["", "ffff:", "1:", "0:ffff:"]),
            std::net::Ipv4Addr::from(dice.roll(1 << 32) as u32)
        ),
        _ => (0..dice.roll(20))
            .map(|_| dice.one_of(&["0", "1", "9", "25", "255", ".", ".", ":", "::", "f", "x", "/", "00"]))
            .collect(),
    };
    // Every fourth has something wrong with it, perhaps.
    if dice.roll(4) == 0 {
        let place = usize::try_from(dice.roll(text.len() as u64 + 1)).unwrap();
        match dice.roll(3) {
            0 => text
                .insert_str(place, dice.one_of(&["0", ":", ".", "g", "/", "256", "::", "%1", "-", "x", "A"])),
            1 if place < text.len() => drop(text.remove(place)),
            _ => text.truncate(place),
        }
    }
    text
}

fn six(dice: &mut Dice) -> std::net::Ipv6Addr {
    let first = [0x2001, 0x2002, 0xfe80, 0xff02, 0xfc00, 0, 0x64];
    let mut groups: [u16; 8] =
        std::array::from_fn(|_| if dice.roll(2) == 0 { 0 } else { dice.roll(1 << 16) as u16 });
    if dice.roll(2) == 0 {
        groups[0] = first[usize::try_from(dice.roll(7)).unwrap()];
    }
    groups.into()
}

fn old(dice: &mut Dice) -> String {
    let mut text = String::new();
    let parts = dice.roll(5) + 1;
    for part in 0..parts {
        let bits = dice.roll(34) + 1;
        let value = if part + 1 == parts { dice.roll(1 << bits) } else { dice.roll(300) };
        let dot = if part == 0 { "" } else { "." };
        let _ = match dice.roll(3) {
            0 => write!(text, "{dot}{value}"),
            1 => write!(text, "{dot}0{value:o}"),
            _ => write!(text, "{dot}0x{value:x}"),
        };
    }
    text
}

/// What we say, beside what python says; a sentence where they differ.
fn difference(text: &str, ours: &Value, python: &Value) -> Option<String> {
    let verdicts = wire::inet::Verdicts::of(text);
    let hex = |octets: &[u8]| octets.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut wrong = String::new();
    let mut same = |what: &str, ours: Option<String>, theirs: &Value| {
        if ours.as_deref() != theirs.as_str() {
            let _ = write!(wrong, " {what}: {ours:?}, python {theirs};");
        }
    };
    same("inet_aton", verdicts.aton.map(|four| hex(&four.octets())), &python["aton"]);
    same("inet_pton 4", verdicts.pton4.map(|four| hex(&four.octets())), &python["four"]);
    same("inet_pton 6", verdicts.pton6.map(|six| hex(&six.octets())), &python["six"]);
    // Whether there is an interface of a zone's name, only the system can say; and python takes zones in networks.
    let has_zone = text.contains('%');
    if !has_zone {
        let numeric = python["numeric"].as_str();
        let numeric = numeric.map(|text| text.parse::<std::net::IpAddr>().unwrap().to_string());
        same("getaddrinfo", verdicts.numeric_host.map(|ip| ip.to_string()), &Value::from(numeric));
    }
    let ip = &python["ip"];
    if ip.is_object() {
        let word = |name: &str| ours[name].as_str().map(str::to_owned);
        // glibc writes ::1.2.3.4 for the compatible form, which RFC 5952 §5 leaves out.
        let is_compatible =
            ip["hex"].as_str().is_some_and(|hex| hex.len() == 32 && hex.starts_with(&"0".repeat(24)));
        if !is_compatible {
            same("canonical", word("canonical"), &ip["ntop"]);
        }
        same("integer", word("integer"), &ip["integer"]);
        same("hex", word("hex"), &ip["hex"]);
        same("reverse", word("reverse_name"), &ip["reverse"]);
        if ours["family"] == "ipv6" {
            same("full", word("full"), &ip["full"]);
            let embedded = |name: &str| {
                let all = ours["embedded"].as_array().unwrap();
                let one = all.iter().find(|one| one["name"] == name)?["value"].as_str()?;
                Some(one.split(':').next().unwrap().to_owned())
            };
            same("mapped", embedded("IPv4-mapped"), &ip["mapped"]);
            same("6to4", embedded("6to4 router"), &ip["sixtofour"]);
            same("Teredo", embedded("Teredo client"), &ip["teredo"]);
        }
        let kind = ours["kind"].as_str().unwrap_or_default();
        for (name, ours) in [
            ("loopback", kind == "loopback"),
            ("multicast", kind.starts_with("multicast")),
            ("unspecified", kind == "unspecified" || kind == "this host on this network"),
        ] {
            same(name, Some(ours.to_string()), &Value::from(ip[name].to_string()));
        }
    }
    let network = &python["network"];
    if network.is_object() && !has_zone {
        let is_mapped = text.contains('.') && text.contains(':')
            || network["network"].as_str().unwrap().starts_with("::ffff:");
        let word = |name: &str| ours[name].as_str().map(str::to_owned);
        let address =
            |text: Option<String>| text.map(|text| text.parse::<std::net::IpAddr>().unwrap().to_string());
        let as_ours = |value: &Value| Value::from(address(value.as_str().map(str::to_owned)));
        if !is_mapped {
            same("last", word("last"), &as_ours(&network["last"]));
            same("netmask", word("netmask"), &as_ours(&network["netmask"]));
            if let Some(count) = network["count"].as_u64() {
                same("addresses", word("addresses"), &Value::from(count.to_string()));
            }
        }
    } else if text.contains('/') && ours["type"] == "network" && !text.ends_with("/0.0.0.0") {
        let _ = write!(wrong, " we read a network, python none;");
    }
    (!wrong.is_empty()).then(|| format!("{text:?}:{wrong}"))
}

/// A hundred thousand texts, valid and not, through one process of each.
#[test]
fn heavy_addresses_are_read_as_python_reads_them() {
    let test = "heavy_addresses_are_read_as_python_reads_them";
    if !has("python3", test) {
        return;
    }
    let mut dice = Dice(0x5eed_1e55_0dd5);
    let texts: Vec<String> =
        std::iter::repeat_with(|| text(&mut dice)).filter(|text| !text.is_empty()).take(100_000).collect();
    let input = texts.join("\n") + "\n";
    let python = run(Command::new("python3").args(["-c", ORACLE]), input.as_bytes());
    assert!(python.status.success(), "{}", stderr(&python));
    let ours = run(&mut bothends(&["addr", "--json"]), input.as_bytes());
    let (ours, python) = (records(&ours), records(&python));
    assert_eq!((ours.len(), python.len()), (texts.len(), texts.len()));
    let all = texts.iter().zip(ours.iter().zip(&python));
    let wrong: Vec<String> =
        all.clone().filter_map(|(text, (ours, python))| difference(text, ours, python)).collect();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        texts.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    // The texts were worth it.
    let count = |what: &str| python.iter().filter(|said| !said[what].is_null()).count();
    for what in ["aton", "four", "six", "ip", "network"] {
        assert!(count(what) > 5_000 && count(what) < 90_000, "{what}: {}", count(what));
    }
}

#[test]
fn many_are_read_from_standard_input_and_the_wrong_ones_told() {
    let input = b"127.1 # old\n\n::1\nnonsense\n10.0.0.0/8\n\xff\xfe\x1b[2J\n";
    let output = run(&mut bothends(&["addr"]), input);
    let lines: Vec<String> = stdout(&output).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].contains("127.0.0.1") && lines[2].contains("network of 16777216"));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output).matches("bothends: address ").count(), 2);
    assert!(!stderr(&output).contains('\u{1b}') && !stdout(&output).contains('\u{1b}'));
    let json = records(&run(&mut bothends(&["addr", "--json"]), input));
    assert_eq!(json.len(), 5);
    assert_eq!(of_type(&json, "error").len(), 2);
}

#[test]
fn networks_answer_by_their_exit() {
    let exit = |words: &[&str]| run(bothends(&["addr", "net"]).args(words), b"").status.code();
    assert_eq!(exit(&["10.0.0.0/8", "--contains", "10.1.2.3"]), Some(0));
    assert_eq!(exit(&["10.0.0.0/8", "--contains", "11.1.2.3"]), Some(1));
    assert_eq!(exit(&["10.0.0.0/8", "--split", "4"]), Some(2));
    assert_eq!(exit(&["nonsense"]), Some(2));
    let output = |words: &[&str], input: &[u8]| stdout(&run(bothends(&["addr", "net"]).args(words), input));
    assert_eq!(output(&["192.0.2.0/30", "--list"], b""), "192.0.2.0\n192.0.2.1\n192.0.2.2\n192.0.2.3\n");
    assert_eq!(output(&["--summarise"], b"10.0.0.0/9\n10.128.0.0/9\n10.0.0.1-10.0.0.9\n"), "10.0.0.0/8\n");
    assert_eq!(output(&["10.0.0.0/30", "--without", "10.0.0.1"], b""), "10.0.0.0/32\n10.0.0.2/31\n");
}

/// A list without an end ends when nobody reads it any more.
#[test]
fn a_reader_who_has_gone_ends_a_list() {
    let binary = env!("CARGO_BIN_EXE_bothends");
    let line = format!("{binary} addr net ::/0 --list | head -n 2; echo ${{PIPESTATUS[0]}}");
    let output = run(Command::new("bash").args(["-c", &line]), b"");
    assert_eq!(stdout(&output), "::\n::1\n0\n");
}

#[test]
fn ports_that_c_would_cut_are_refused() {
    for (text, why) in
        [("70000", "4464"), ("-1", "65535"), ("99x", "atoi"), ("no-such-service", "no service")]
    {
        let output = run(&mut bothends(&["addr", "port", text]), b"");
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(stderr(&output).contains(why), "{text}: {}", stderr(&output));
    }
    let output = run(&mut bothends(&["addr", "port", "36895", "--json"]), b"");
    assert_eq!(records(&output)[0]["meant"], 8080);
}

#[test]
fn addresses_of_this_machine_are_those_that_ip_shows() {
    if !has("ip", "addresses_of_this_machine_are_those_that_ip_shows") {
        return;
    }
    let ip = run(Command::new("ip").args(["-j", "address"]), b"");
    let theirs: Value = serde_json::from_slice(&ip.stdout).unwrap();
    let ours = records(&run(&mut bothends(&["addr", "mine", "--json"]), b""));
    let theirs: Vec<(String, Vec<String>)> = theirs
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let texts = one["addr_info"].as_array().unwrap().iter();
            let texts =
                texts.map(|info| format!("{}/{}", info["local"].as_str().unwrap(), info["prefixlen"]));
            (one["ifname"].as_str().unwrap().to_owned(), texts.collect())
        })
        .collect();
    let ours: Vec<(String, Vec<String>)> = ours
        .iter()
        .map(|one| {
            let texts = one["addresses"].as_array().unwrap().iter();
            let texts = texts.map(|info| format!("{}/{}", info["address"].as_str().unwrap(), info["prefix"]));
            (one["name"].as_str().unwrap().to_owned(), texts.collect())
        })
        .collect();
    assert_eq!(ours, theirs);
}

/// In a network and with a hosts file of its own, getaddrinfo's order is the one that the rules give.
#[test]
fn the_order_of_a_name_follows_the_rules() {
    let test = "the_order_of_a_name_follows_the_rules";
    let script = format!(
        "ip link set lo up && ip link add d0 type dummy && ip link set d0 up && ip addr add 10.1.2.4/24 dev d0 && \
         ip addr add 2001:db8:1::2/64 dev d0 nodad && ip addr add fd00::2/64 dev d0 nodad && \
         printf '10.1.2.3 many\\n2001:db8:1::1 many\\nfd00::1 many\\n2001:db8:9::1 many\\n192.0.2.9 many\\n' > $1/hosts && \
         mount --bind $1/hosts /etc/hosts && {} addr resolve many --json",
        env!("CARGO_BIN_EXE_bothends")
    );
    let folder = tempfile::tempdir().unwrap();
    let works = run(Command::new("unshare").args(["-rnm", "ip", "link", "add", "d0", "type", "dummy"]), b"");
    if !works.status.success() {
        return crate::running::left_out(test, "no private network with a dummy interface can be made here");
    }
    let mut shell = Command::new("unshare");
    shell.args(["-rnm", "bash", "-c", &script, "bash"]).arg(folder.path());
    let output = run(&mut shell, b"");
    let found = records(&output);
    assert_eq!(found.len(), 5, "{}", stderr(&output));
    for one in &found[..4] {
        assert_eq!(one["agrees"], true, "{found:#?}");
    }
    let place = |address: &str| found.iter().position(|one| one["address"] == address).unwrap();
    // The two without a way there come last: rule 1.
    assert!(place("2001:db8:9::1") >= 3 && place("192.0.2.9") >= 3, "{found:#?}");
    assert_eq!(found[2]["rule"], 1);
    assert_eq!((found[0]["source"].as_str(), &found[4]["source"]), (Some("2001:db8:1::2"), &Value::Null));
}

/// Addresses of every kind on two interfaces, and three hundred destinations: the kernel calls each from the address
/// that the rules put first.
#[test]
fn the_address_that_each_is_called_from_follows_the_rules() {
    let test = "the_address_that_each_is_called_from_follows_the_rules";
    let works = run(
        Command::new("unshare")
            .args(["-rn", "ip", "link", "add", "va", "type", "veth", "peer", "name", "vb"]),
        b"",
    );
    if !works.status.success() {
        return crate::running::left_out(test, "no private network with a veth pair can be made here");
    }
    let script = format!(
        "ip link add va type veth peer name vb && ip link set lo up && ip link set va up && ip link set vb up
         for one in 2001:db8:1::2 2001:db8:1:8::2 2001:db8:3::2 fd00::2 2002:c633:6401::2 fec0::2; do
           ip addr add $one/64 dev va nodad || exit 1
         done
         ip addr add 2001:db8:1::dead/64 dev va nodad preferred_lft 0
         ip addr add 2001:db8:5::9/48 dev vb nodad && ip addr add fe80::9/64 dev vb nodad && ip addr add fd00:0:0:9::9/64 dev vb nodad
         ip route add default dev va && ip -6 route add default dev va && ip addr add 192.0.2.7/24 dev va
         for last in $(seq 20); do
           for network in 2001:db8:1: 2001:db8:1:8: 2001:db8:3: 2001:db8:5: fd00: fd00:0:0:9: 2002:c633:6401: 2001:10: fec0: 2001:0:1: 2606:2800: 64:ff9b:; do
             {0} addr resolve ${{network%:}}::$last --json || exit 1
           done
           {0} addr resolve 2001:db8:1::dead --json && {0} addr resolve ff0e::$last --json && {0} addr resolve 198.51.100.$last --json
         done",
        env!("CARGO_BIN_EXE_bothends")
    );
    let output = run(Command::new("unshare").args(["-rn", "bash", "-c", &script]), b"");
    let found = records(&output);
    assert_eq!(found.len(), 300, "{}", stderr(&output));
    let mut rules = std::collections::BTreeSet::new();
    for one in &found {
        for other in one["source_before"].as_array().unwrap() {
            assert_eq!(other["agrees"], true, "{other} in {one:#}");
            rules.extend(other["rule"].as_u64());
        }
    }
    // One of ours, another scope, deprecated, another interface, another label, a shorter prefix. Not home addresses:
    // kernels without CONFIG_IPV6_MIP6 take them for any others.
    assert_eq!(rules.into_iter().collect::<Vec<_>>(), [1, 2, 3, 5, 6, 8]);
    let four: Vec<&Value> = found.iter().filter(|one| one["source"] == "192.0.2.7").collect();
    assert!(four.len() == 20 && four.iter().all(|one| one["source_before"] == serde_json::json!([])));
}

/// The records of the parts that answer the same on every machine, so that a changed field name is seen.
#[test]
fn records_are_what_they_were() {
    let commands: [(&[&str], &str); 11] = [
        (&["192.168.1.4", "fe80::200:5eff:fe00:1%eth0", "127.1", "10.0.0.0/22", "0x7f000001"], ""),
        (&["-"], "52:54:00:12:34:56\n[::1]:80\n4294967296\nexample.org\n"),
        (&["net", "10.0.0.0/30", "--split", "31"], ""),
        (&["net", "10.0.0.0/30", "--contains", "10.0.0.9"], ""),
        (&["net", "10.0.0.0/30", "--list"], ""),
        (&["net", "10.0.0.0/30", "--without", "10.0.0.3/32"], ""),
        (&["net", "--summarise", "10.0.0.0/25", "10.0.0.128/25"], ""),
        (&["swap", "0x0102"], ""),
        (&["order"], ""),
        (&["sockaddr", "127.0.0.1:80", "unix:/run/x"], ""),
        (&["sockaddr"], ""),
    ];
    let mut told = String::new();
    for (words, input) in commands {
        let output = run(bothends(&["addr", "--json"]).args(words), input.as_bytes());
        told += &format!("$ bothends addr --json {}\n{}", words.join(" "), stdout(&output));
        told += &format!("exit {}\n", output.status.code().unwrap());
    }
    // The text of /proc/net and the order are the machine's.
    if cfg!(target_endian = "little") {
        insta::assert_snapshot!(told);
    }
}

#[test]
fn flags_of_all_commands_stand_before_a_question_and_its_own_behind_it() {
    let first = stdout(&run(&mut bothends(&["addr", "--json", "port", "80"]), b""));
    assert_eq!(first, stdout(&run(&mut bothends(&["addr", "port", "80", "--json"]), b"")));
    let output = run(&mut bothends(&["addr", "--line", "port", "80"]), b"");
    let told = stderr(&output);
    assert!(told.starts_with("bothends: port is a command of its own"), "{told}");
    assert_eq!(output.status.code(), Some(2));
    // Behind an address it is one that is wrong.
    let output = run(&mut bothends(&["addr", "192.0.2.1", "port"]), b"");
    assert!(stderr(&output).contains("`bothends addr resolve port`") && output.status.code() == Some(2));
}

#[test]
fn what_stands_in_two_words_or_as_a_port_is_read_as_it_is_meant() {
    let told = |words: &[&str]| stdout(&run(bothends(&["addr"]).args(words), b""));
    let one = told(&["net", "10.0.0.0/255.255.255.0"]);
    assert_eq!(told(&["net", "10.0.0.0", "255.255.255.0"]), one);
    assert_ne!(told(&["net", "10.0.0.0", "255.0.255.0"]), one, "no netmask: two addresses");
    assert!(told(&["swap", "80"]).contains("20480"), "a port has 16 bits");
    assert!(!told(&["swap", "0x50"]).contains("20480"), "its digits say eight");
}

#[test]
fn with_json_a_form_is_a_record_and_so_is_what_was_wrong() {
    let output = run(&mut bothends(&["addr", "--form", "canonical", "--json", "127.1"]), b"");
    let form = &of_type(&records(&output), "form")[0];
    assert_eq!(
        (&form["text"], &form["form"], &form["value"]),
        (&"127.1".into(), &"canonical".into(), &"127.0.0.1".into())
    );
    let output = run(&mut bothends(&["addr", "resolve", "--json", "no.such.invalid"]), b"");
    assert_eq!(output.status.code(), Some(6));
    assert_eq!(of_type(&records(&output), "error")[0]["exit"], 6);
    let output = run(&mut bothends(&["--version", "--json"]), b"");
    assert_eq!(of_type(&records(&output), "version")[0]["version"], env!("CARGO_PKG_VERSION"));
}
