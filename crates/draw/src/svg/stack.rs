//! Several pictures on one page, one below the other.

use super::markup::short;

/// Between two pictures, in pixels.
const GAP: f64 = 24.0;

/// The pictures as one SVG document; none of none.
pub(crate) fn stack(pictures: &[String]) -> Option<String> {
    if let [one] = pictures {
        return Some(one.clone());
    }
    let sizes: Vec<[f64; 2]> =
        pictures.iter().map(|picture| ["width", "height"].map(|name| number(picture, name))).collect();
    let width = sizes.iter().map(|[width, _]| *width).reduce(f64::max)?;
    let mut inner = String::new();
    let mut y = 0.0;
    for (picture, [_, height]) in pictures.iter().zip(&sizes) {
        let placed = format!("<svg y=\"{}\" ", short(y));
        inner.push_str(&picture.replacen("<svg ", &placed, 1));
        y += height + GAP;
    }
    let (width, height) = (short(width), short(y - GAP));
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\">\n{inner}</svg>\n"
    ))
}

/// The first attribute of this name, as our own pictures write it.
fn number(picture: &str, name: &str) -> f64 {
    let start = format!(" {name}=\"");
    let value = picture.split_once(&start).and_then(|(_, rest)| rest.split_once('"'));
    value.and_then(|(value, _)| value.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_stand_below_each_other() {
        let picture = |width: u32, height: u32| {
            format!("<svg class=\"a\" width=\"{width}\" height=\"{height}\"></svg>\n")
        };
        let page = stack(&[picture(100, 50), picture(80, 60)]).unwrap();
        assert!(page.contains(" width=\"100\" height=\"134\" "), "{page}");
        assert!(page.contains("<svg y=\"0\" class") && page.contains("<svg y=\"74\" class"), "{page}");
        assert_eq!(stack(&[picture(1, 2)]), Some(picture(1, 2)));
        assert_eq!(stack(&[]), None);
    }
}
