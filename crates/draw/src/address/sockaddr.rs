//! Socket addresses, byte by byte, and the table of their families.

use wire::notation::spelling::hex;
use wire::sockaddr::{ByteOrder, FAMILIES, SOCKADDR_SIZE, STORAGE_ALIGNMENT, STORAGE_SIZE, Sockaddr};

use crate::Style;
use crate::grid::Grid;

/// The bytes of a structure beside what they say.
pub fn sockaddr(read: &Sockaddr, style: &Style) -> String {
    let structure = read.family.map_or("sockaddr", |family| family.structure);
    let size = read.family.map_or(SOCKADDR_SIZE, |family| family.size);
    let mut text = format!("struct {structure}, {} bytes", read.bytes.len());
    if read.bytes.len() != size {
        text.push_str(&format!(" (sizeof is {size})"));
    }
    text.push('\n');
    let mut grid = Grid::new(&["byte", "field", "bytes", "order", "says"]);
    for field in &read.fields {
        let bytes = read.bytes.get(field.start..field.start + field.len).unwrap_or_default();
        let order = match field.order {
            ByteOrder::Host => "host",
            ByteOrder::Network => "network",
            ByteOrder::None => "",
        };
        let rows = bytes.chunks(8).map(|chunk| hex(chunk, " "));
        for (at, row) in rows.enumerate() {
            let start = field.start + 8 * at;
            match at {
                0 => grid.row([
                    format!("{start:>4}"),
                    field.name.into(),
                    row,
                    order.into(),
                    field.value.clone(),
                ]),
                _ => grid.row([format!("{start:>4}"), String::new(), row, String::new(), String::new()]),
            };
        }
    }
    text.push_str(&grid.draw(style));
    text
}

/// The structures side by side.
pub fn table(style: &Style) -> String {
    let mut grid = Grid::new(&["AF_, PF_", "number", "structure", "sizeof", "address", "which is"]);
    for family in FAMILIES {
        grid.row([
            family.name.to_owned(),
            format!("{:>6}", family.number),
            family.structure.to_owned(),
            format!("{:>6}", family.size),
            format!("{:>7}", family.address_bytes),
            family.address_is.to_owned(),
        ]);
    }
    let general = [
        ("any", "sockaddr", SOCKADDR_SIZE, 14, "sa_data: what a pointer is cast to"),
        ("any", "sockaddr_storage", STORAGE_SIZE, STORAGE_SIZE - 2, "room for any of them"),
    ];
    for (family, structure, size, bytes, is) in general {
        let (size, bytes) = (format!("{size:>6}"), format!("{bytes:>7}"));
        grid.row([family.to_owned(), "     -".to_owned(), structure.to_owned(), size, bytes, is.to_owned()]);
    }
    let mut text = grid.draw(style);
    let remark = format!(
        "All begin with the family, two bytes in the machine's order; Linux has no length in front. sin_port and sin_addr are in \
         network order. sockaddr_in is padded by 8 zeros to the size of sockaddr; sockaddr_storage is aligned to {STORAGE_ALIGNMENT} \
         bytes. A Unix name may be shorter than sun_path: the length given to bind counts, and an abstract name begins with a NUL."
    );
    text.push('\n');
    crate::columns::wrap(&remark, style.width.max(40)).iter().for_each(|line| {
        text.push_str(line);
        text.push('\n');
    });
    text
}
