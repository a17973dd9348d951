//! The SVG itself: a sheet with a title and a legend, and the few shapes that the plots are made of.
//! It has a background of its own, so that it reads the same on a white page and on a dark one.

use std::fmt::{Display, Write as _};

use super::colours::Colours;

pub const WIDTH: f64 = 880.0;
pub const MARGIN: f64 = 28.0;

/// Text by its role: t title, s subtitle, l legend, h a panel's heading, n a name at the left of
/// its marks, k a tick's, y a tick's at the left of an axis, a an axis's, v a value's.
const STYLE: &str = "\
text{font:12px system-ui,-apple-system,'Segoe UI','Noto Sans','DejaVu Sans',sans-serif;fill:#424a53}\
.t{font-size:19px;font-weight:600;fill:#1f2328}.l{fill:#1f2328}.h{font-weight:600;fill:#1f2328}\
.n{text-anchor:end;fill:#1f2328}.k,.a{text-anchor:middle}.y{text-anchor:end}\
.k,.y,.v{font-size:11px}.v{paint-order:stroke;stroke:#fff;stroke-width:3px}.k,.y{fill:#656d76}\
circle{stroke:#fff}line{stroke:#e4e8ec}.w{stroke:#1f2328;stroke-opacity:.55}polyline{fill:none;stroke-width:1.8;\
stroke-linejoin:round}";

pub struct Svg<'a> {
    body: String,
    colours: &'a Colours<'a>,
    /// Where what comes next begins, from the top.
    pub top: f64,
}

impl<'a> Svg<'a> {
    /// With a legend of these programs, each of them once.
    pub fn new<'p>(
        title: &str,
        subtitle: &str,
        colours: &'a Colours<'a>,
        peers: impl IntoIterator<Item = &'p str>,
    ) -> Self {
        let mut svg = Self {
            body: format!("<title>{}</title>", Escaped(title)),
            colours,
            top: 0.0,
        };
        svg.text("t", MARGIN, 40.0, title);
        svg.text("s", MARGIN, 62.0, subtitle);
        svg.legend(peers);
        svg
    }

    fn legend<'p>(&mut self, peers: impl IntoIterator<Item = &'p str>) {
        let mut names: Vec<&str> = Vec::new();
        for peer in peers {
            if !names.contains(&peer) {
                names.push(peer);
            }
        }
        let (mut x, mut y) = (MARGIN, 90.0);
        for name in names {
            let width = 17.0 + width(name) + 18.0;
            if x + width > WIDTH - MARGIN {
                (x, y) = (MARGIN, y + 20.0);
            }
            self.rect((x, y - 10.0), (11.0, 11.0), &self.colour(name));
            self.text("l", x + 17.0, y, name);
            x += width;
        }
        self.top = y + 24.0;
    }

    /// That of a program.
    pub fn colour(&self, peer: &str) -> String {
        self.colours.colour(peer)
    }

    pub fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let (x, y, text) = (Px(x), Px(y), Escaped(text));
        let _ = write!(
            self.body,
            "\n<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>"
        );
    }

    pub fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), fill: &str) {
        let (x, y, width, height) = (Px(x), Px(y), Px(width), Px(height));
        let _ = write!(
            self.body,
            "\n<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"2\" fill=\"{fill}\"/>"
        );
    }

    /// Of the grid, or, with the class `w`, of a spread.
    pub fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let (x1, y1, x2, y2) = (Px(x1), Px(y1), Px(x2), Px(y2));
        let class = if class.is_empty() {
            String::new()
        } else {
            format!(" class=\"{class}\"")
        };
        let _ = write!(
            self.body,
            "\n<line{class} x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"
        );
    }

    /// A dot, a thick line from it and a thin one further.
    pub fn range(&mut self, y: f64, dot: f64, thick: f64, thin: f64, fill: &str) {
        let (x, thick, thin) = (Px(dot), Px(thick), Px(thin));
        let (middle, above, line) = (Px(y), Px(y - 3.5), Px(y - 0.8));
        let _ = write!(
            self.body,
            "\n<path fill=\"{fill}\" d=\"M{x} {above}H{thick}v7H{x}zM{x} {line}H{thin}v1.6H{x}z\"/>\
             <circle fill=\"{fill}\" cx=\"{x}\" cy=\"{middle}\" r=\"4\"/>"
        );
    }

    pub fn curve(&mut self, points: impl IntoIterator<Item = (f64, f64)>, stroke: &str) {
        let _ = write!(self.body, "\n<polyline stroke=\"{stroke}\" points=\"");
        for (at, (x, y)) in points.into_iter().enumerate() {
            let space = if at > 0 { " " } else { "" };
            let _ = write!(self.body, "{space}{},{}", Px(x), Px(y));
        }
        self.body.push_str("\"/>");
    }

    /// The file, down to where the drawing ends.
    pub fn finish(self) -> String {
        let (width, height) = (Px(WIDTH), Px(self.top.ceil()));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\"><style>{STYLE}</style>\n\
             <rect x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"10\" fill=\"#fff\" stroke=\"#d0d7de\"/>\
             {}\n</svg>\n",
            Px(WIDTH - 1.0),
            Px(self.top.ceil() - 1.0),
            self.body
        )
    }
}

/// About how wide a text is, in the widest of the fonts that it may be shown in.
pub fn width(text: &str) -> f64 {
    7.2 * text.chars().count() as f64
}

/// Tenths, which is as much as is seen.
struct Px(f64);

impl Display for Px {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", (self.0 * 10.0).round() / 10.0)
    }
}

/// Characters that XML has no place for are left out.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => out.write_str("&amp;")?,
                '<' => out.write_str("&lt;")?,
                '>' => out.write_str("&gt;")?,
                letter if letter.is_control() => {}
                letter => write!(out, "{letter}")?,
            }
        }
        Ok(())
    }
}
