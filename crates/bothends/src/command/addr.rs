//! `addr`: addresses, networks, ports and numbers in every form; what C, the kernel and the registries make of them.

mod input;
mod mine;
mod net;
mod port;
mod resolve;
mod sockaddr;
#[cfg(test)]
mod tests;

use clap::{Args, Subcommand, ValueEnum};
use wire::byte_order::{Number, Order, Width};
use wire::endpoint::{EndpointError, Grammar, Use};
use wire::notation::{self, Reading, Written, WrittenNumber, spelling};
use wire::{embedded, special_purpose};

use self::input::Wrongs;
use super::address::{bad, grammar};
use crate::exit::Exit;
use crate::out::Out;
use crate::record;

/// What `addr` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Show an address, a network, a port or a number in every form.",
    long_about = "Show an address, a network, a port or a number in every form.

Examples:
  bothends addr 192.168.1.4           text, bytes, numbers, names, its purpose
  bothends addr fe80::200:5eff:fe00:1%eth0
  bothends addr 127.1 0x7f000001      old forms, with what reads them otherwise
  bothends addr 0100007F:1F90         an entry of /proc/net/tcp
  bothends addr --form reverse 192.0.2.1
  bothends addr < addresses           many, a line each
  bothends addr net 10.0.0.0/22 --split 24
  bothends addr port 8080
  bothends addr swap 0x0102
  bothends addr order                 this machine's byte order
  bothends addr resolve localhost --why
  bothends addr sockaddr 127.0.0.1:80
  bothends addr mine                  the addresses of this machine

It reads dotted and colon forms, brackets, zones, ports, networks, the forms that only inet_aton takes, integers, bytes in \
hexadecimal, names under in-addr.arpa and ip6.arpa, hardware addresses and what the kernel shows in /proc/net. Nothing is \
looked up or sent; only `resolve` asks the system's resolver.",
    override_usage = "bothends addr [OPTIONS] [X]...\n       bothends addr <COMMAND>",
    disable_help_subcommand = true
)]
pub struct Flags {
    #[command(subcommand)]
    asked: Option<Asked>,
    #[arg(
        value_name = "X",
        allow_negative_numbers = true,
        help = "Addresses, networks, ports, numbers; - is standard input, one a line."
    )]
    words: Vec<String>,
    #[arg(long, value_name = "FORM", help = "Print one form of each address, and nothing else.")]
    form: Option<Form>,
    #[arg(long, help = "Print a line for each, as for standard input.")]
    line: bool,
}

/// The questions.
#[allow(missing_docs)]
#[derive(Clone, Debug, Subcommand)]
enum Asked {
    Net(net::Flags),
    Port(port::Flags),
    Swap(SwapFlags),
    Order(OrderFlags),
    Resolve(resolve::Flags),
    Sockaddr(sockaddr::Flags),
    Mine(mine::Flags),
}

impl Asked {
    fn name(&self) -> &'static str {
        match self {
            Asked::Net(_) => "net",
            Asked::Port(_) => "port",
            Asked::Swap(_) => "swap",
            Asked::Order(_) => "order",
            Asked::Resolve(_) => "resolve",
            Asked::Sockaddr(_) => "sockaddr",
            Asked::Mine(_) => "mine",
        }
    }
}

/// What `addr swap` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Turn a number's bytes round.",
    long_about = "Turn a number's bytes round.

Examples:
  bothends addr swap 0x0102      258 becomes 513
  bothends addr swap 36895       8080, where htons was forgotten
  bothends addr swap 80          20480

The width is the smallest that holds the number, and 16 bits at least of a decimal one, as ports have; other digits say \
how many bits are meant."
)]
struct SwapFlags {
    #[arg(
        value_name = "NUMBER",
        required = true,
        allow_negative_numbers = true,
        help = "Numbers: decimal, 0x…, 0b… or octal."
    )]
    words: Vec<String>,
}

/// What `addr order` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Show this machine's byte order, and what htons and its sisters return here.",
    long_about = "Show this machine's byte order, and what htons and its sisters return here.

Examples:
  bothends addr order
  bothends addr order --json"
)]
struct OrderFlags {}

/// A form of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    #[value(help = "The canonical text: RFC 5952.")]
    Canonical,
    #[value(help = "Of IPv6, all eight groups with all digits.")]
    Full,
    #[value(help = "Of IPv6, with the last 32 bits as an IPv4 address.")]
    Mixed,
    #[value(help = "The number, as ntohl gives it.")]
    Integer,
    #[value(help = "The number with its bytes the other way round.")]
    Swapped,
    #[value(help = "The bytes in hexadecimal, without separators.")]
    Hex,
    #[value(help = "The bits.")]
    Binary,
    #[value(help = "The name under in-addr.arpa or ip6.arpa.")]
    Reverse,
    #[value(help = "As /proc/net/tcp has it on this machine.")]
    Kernel,
    #[value(help = "IPv4 as IPv6: ::ffff:192.0.2.1; the other way, of a mapped address.")]
    Mapped,
    #[value(help = "What it is for, in a few words.")]
    Kind,
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    // What was wrong is a record too, and has to be written.
    out.finish(answer(flags, out))
}

fn answer(flags: &Flags, out: &Out) -> Exit {
    // Not told to clap: it would take what stands behind a flag of all commands for an address, `addr --json port 80`.
    let has_own = !flags.words.is_empty() || flags.form.is_some() || flags.line;
    if let Some(asked) = flags.asked.as_ref().filter(|_| has_own) {
        let sentence =
            format!("{} is a command of its own: addresses and flags stand behind it", asked.name());
        return out.usage(&sentence, Some("`bothends help addr` tells all about it".to_owned()));
    }
    match &flags.asked {
        Some(Asked::Net(flags)) => net::run(flags, out),
        Some(Asked::Port(flags)) => port::run(flags, out),
        Some(Asked::Swap(flags)) => swap(flags, out),
        Some(Asked::Order(_)) => order(out),
        Some(Asked::Resolve(flags)) => resolve::run(flags, out),
        Some(Asked::Sockaddr(flags)) => sockaddr::run(flags, out),
        Some(Asked::Mine(_)) => mine::run(out),
        None => all(flags, out),
    }
}

/// The grammar of endpoints: anything that can be listened on.
fn endpoints() -> Grammar<'static> {
    grammar(Use::Listen, false)
}

fn all(flags: &Flags, out: &Out) -> Exit {
    let mut wrongs = Wrongs::default();
    let mut is_first = true;
    let here = std::cell::OnceCell::new();
    let finished = input::each(&flags.words, out, |text, is_many| {
        let reading = match notation::read(text, Order::native(), &endpoints()) {
            Ok(reading) => reading,
            Err(error) => return wrongs.tell(out, text, error),
        };
        if let Err(error) =
            show(&Shown { text, reading: &reading, flags, is_many, is_first, here: &here }, out)
        {
            return wrongs.tell(out, text, error);
        }
        is_first = false;
    });
    match finished {
        Ok(()) => out.finish(wrongs.exit()),
        Err(exit) => exit,
    }
}

struct Shown<'a> {
    text: &'a str,
    reading: &'a Reading,
    flags: &'a Flags,
    is_many: bool,
    is_first: bool,
    /// The addresses of this machine, asked for once.
    here: &'a std::cell::OnceCell<Vec<String>>,
}

fn show(shown: &Shown<'_>, out: &Out) -> Result<(), EndpointError> {
    let (text, order) = (shown.text, Order::native());
    if let Some(form) = shown.flags.form {
        let value = in_form(shown.reading, form)?;
        match (out.json, form.to_possible_value()) {
            (true, Some(word)) => out.record(&record::address::form(text, word.get_name(), &value)),
            _ => out.print(&format!("{value}\n")),
        }
        return Ok(());
    }
    if out.json {
        out.record(&record::address::reading(text, shown.reading, order));
        return Ok(());
    }
    if shown.is_many || shown.flags.line {
        out.print(&format!("{}\n", in_a_line(text, shown.reading)));
        return Ok(());
    }
    if !shown.is_first {
        out.print("\n");
    }
    let style = &out.stdout;
    let drawn = match shown.reading {
        Reading::Address(written) => {
            let here = shown.here.get_or_init(|| mine::for_listening(written.address.is_ipv4()));
            draw::address::address(text, written, order, here).draw(style)
        }
        Reading::Network(written) => draw::address::network::network(written).draw(style),
        Reading::Number(written) => draw::address::number::number(text, written.number, order).draw(style),
        Reading::Hardware(mac) => draw::address::hardware(*mac).draw(style),
        Reading::Endpoint(endpoint) => sockaddr::drawn(endpoint, style)?,
    };
    out.print(&drawn);
    Ok(())
}

/// What it is, in a line: the text, what it is canonically, and what that is.
fn in_a_line(text: &str, reading: &Reading) -> String {
    let (canonical, kind) = match reading {
        Reading::Address(written) => {
            let kind = special_purpose::kind(written.address);
            (in_short(written), kind.name.to_owned())
        }
        Reading::Network(written) => {
            let count = draw::address::network::count(&written.network);
            (draw::address::network::in_full(&written.network), format!("network of {count}"))
        }
        Reading::Number(written) => {
            let bits = 8 * written.number.width.bytes();
            (written.number.value.to_string(), format!("number of {bits} bits"))
        }
        Reading::Hardware(mac) => (spelling::mac(*mac), "hardware address".to_owned()),
        Reading::Endpoint(endpoint) => (endpoint.to_string(), "endpoint".to_owned()),
    };
    format!("{:<24} {canonical:<24} {kind}", wire::visible(text, false))
}

/// The address with its zone and port: `[fe80::1%eth0]:22`.
fn in_short(written: &Written) -> String {
    let zone = written.zone.as_ref().map_or_else(String::new, |zone| format!("%{zone}"));
    match (written.port, written.address.is_ipv4()) {
        (None, _) => format!("{}{zone}", written.address),
        (Some(port), true) => format!("{}:{port}", written.address),
        (Some(port), false) => format!("[{}{zone}]:{port}", written.address),
    }
}

/// One form of it. A number of up to 32 bits is an IPv4 address here, a longer one an IPv6 address.
fn in_form(reading: &Reading, form: Form) -> Result<String, EndpointError> {
    let address: std::net::IpAddr = match reading {
        Reading::Address(written) => written.address,
        Reading::Number(written) if written.number.width <= Width::W32 => {
            std::net::Ipv4Addr::from(u32::try_from(written.number.value).unwrap_or_default()).into()
        }
        Reading::Number(written) => std::net::Ipv6Addr::from(written.number.value).into(),
        Reading::Network(_) | Reading::Hardware(_) | Reading::Endpoint(_) => {
            return Err(wrong("forms are those of an IP address, and this is none"));
        }
    };
    let six = match address {
        std::net::IpAddr::V4(four) => embedded::mapped(four),
        std::net::IpAddr::V6(six) => six,
    };
    let octets = spelling::octets(address);
    let width = if address.is_ipv4() { Width::W32 } else { Width::W128 };
    let number = Number { value: spelling::integer(address), width };
    Ok(match form {
        Form::Canonical => address.to_string(),
        Form::Full if address.is_ipv4() => address.to_string(),
        Form::Full => spelling::expanded(six),
        Form::Mixed => spelling::mixed(six),
        Form::Integer => number.value.to_string(),
        Form::Swapped => number.swapped().value.to_string(),
        Form::Hex => spelling::hex(&octets, ""),
        Form::Binary => spelling::binary(&octets, ""),
        Form::Reverse => spelling::reverse_name(address),
        Form::Kernel => spelling::kernel_table(address, Order::native()),
        Form::Mapped if address.is_ipv4() => six.to_string(),
        Form::Mapped => match six.to_ipv4_mapped() {
            Some(four) => four.to_string(),
            None => return Err(wrong("it is no IPv4 address, and none is mapped into it")),
        },
        Form::Kind => special_purpose::kind(address).name.to_owned(),
    })
}

fn wrong(sentence: &str) -> EndpointError {
    EndpointError { column: 0, sentence: sentence.to_owned(), hint: None }
}

fn swap(flags: &SwapFlags, out: &Out) -> Exit {
    let mut wrongs = Wrongs::default();
    for (at, text) in flags.words.iter().enumerate() {
        let number = match notation::read(text, Order::native(), &endpoints()) {
            // Digits alone do not say how many bits are meant, and a port is what is swapped most.
            Ok(Reading::Number(WrittenNumber { number, radix: 10 })) if number.width == Width::W8 => {
                Number { width: Width::W16, ..number }
            }
            Ok(Reading::Number(written)) => written.number,
            Ok(Reading::Address(written)) => Number {
                value: spelling::integer(written.address),
                width: if written.address.is_ipv4() { Width::W32 } else { Width::W128 },
            },
            _ => {
                let sentence = match text.strip_prefix('-') {
                    Some(_) => "a number without a sign has to stand here, of at most 128 bits",
                    None => "a number has to stand here, of at most 128 bits: 258, 0x0102, 0b1, 0402",
                };
                wrongs.tell(out, text, wrong(sentence));
                continue;
            }
        };
        if out.json {
            out.record(&record::address::number(text, number, Order::native()));
        } else {
            let gap = if at == 0 { "" } else { "\n" };
            let facts = draw::address::number::number(text, number, Order::native());
            out.print(&format!("{gap}{}", facts.draw(&out.stdout)));
        }
    }
    out.finish(wrongs.exit())
}

fn order(out: &Out) -> Exit {
    let order = Order::native();
    out.record(&record::address::byte_order(order));
    if !out.json {
        out.print(&draw::address::number::order(order).draw(&out.stdout));
    }
    out.finish(Exit::Ok)
}

/// An address that is wrong, as it is told everywhere.
fn told(out: &Out, text: &str, error: EndpointError) -> Exit {
    bad(text, error).told(out)
}
