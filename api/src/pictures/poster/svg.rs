//! A poster as SVG: outlines only, so that it looks the same wherever it is opened, and asks nobody for anything.

use std::fmt::{self, Write as _};

use tiny_skia::{Path, PathSegment, Point};

use super::canvas::{Canvas, Colour, Shape};

/// Writes it, with a title for those who cannot see it.
pub(super) fn write(canvas: &Canvas<'_>, title: &str) -> String {
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut svg, canvas, title);
    svg
}

fn write_all(svg: &mut String, canvas: &Canvas<'_>, title: &str) -> fmt::Result {
    let (width, height) = (canvas.width, canvas.height);
    write!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}""#
    )?;
    if let Some(units) = canvas.units_per_mm {
        let (width, height) = (width / units, height / units);
        write!(svg, r#" width="{width}mm" height="{height}mm""#)?;
    }
    write!(svg, r#" role="img"><title>{}</title>"#, Escaped(title))?;
    for shape in &canvas.shapes {
        match shape {
            Shape::Fill(path, colour) => {
                write!(svg, r#"<path fill="{colour}" d=""#)?;
                write_path(svg, path)?;
                svg.push_str("\"/>");
            }
            Shape::Code {
                picture,
                x,
                y,
                side,
            } => {
                let scale = side / f32::from(picture.side());
                write!(
                    svg,
                    r##"<g shape-rendering="crispEdges" transform="translate({x} {y})"><path fill="#fff" d="M0 0h{side}v{side}H0z"/><path transform="scale({scale})" d="{}"/></g>"##,
                    picture.path()
                )?;
            }
        }
    }
    svg.push_str("</svg>");
    Ok(())
}

fn write_path(svg: &mut String, path: &Path) -> fmt::Result {
    for segment in path.segments() {
        match segment {
            PathSegment::MoveTo(to) => write!(svg, "M{}", At(to))?,
            PathSegment::LineTo(to) => write!(svg, "L{}", At(to))?,
            PathSegment::QuadTo(by, to) => write!(svg, "Q{} {}", At(by), At(to))?,
            PathSegment::CubicTo(one, other, to) => {
                write!(svg, "C{} {} {}", At(one), At(other), At(to))?;
            }
            PathSegment::Close => svg.push('Z'),
        }
    }
    Ok(())
}

/// A point in hundredths of a unit: finer than any printer.
struct At(Point);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = |value: f32| (value * 100.0).round() / 100.0;
        write!(f, "{} {}", hundredths(self.0.x), hundredths(self.0.y))
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:06x}", self.0)
    }
}

/// A text that may stand in XML; what may not at all is left out.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\u{FFFE}' | '\u{FFFF}' => {}
                c if c.is_control() => {}
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
