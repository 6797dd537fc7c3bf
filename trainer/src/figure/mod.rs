//! Figures as SVG and as PNG from one description.
//!
//! A [`Figure`] draws itself with plotters; the same lines of code serve both formats. What has a value for every
//! pixel (spectra, spectrograms) is a [`Heat`] behind the rest: an image that both formats hold once.

mod canvas;
mod heat;

use std::path::Path;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::fit::checkpoint::replace;
use canvas::Canvas;
pub use heat::Heat;

/// What plotters says; its errors differ between formats.
pub type Failure = Box<dyn std::error::Error>;

/// Something to look at.
pub trait Figure {
    /// Width and height in pixels.
    fn size(&self) -> (u32, u32);

    /// Draws onto a white `root` and adds the images that lie behind to `heats`.
    ///
    /// # Errors
    /// What the drawing library says.
    fn draw<B: DrawingBackend>(
        &self,
        root: &DrawingArea<B, Shift>,
        heats: &mut Vec<Heat>,
    ) -> Result<(), Failure>
    where
        B::ErrorType: 'static;
}

/// The figure as SVG.
///
/// # Errors
/// What the drawing library says.
pub fn svg(figure: &impl Figure) -> Result<String, Failure> {
    let (mut text, mut heats) = (String::new(), Vec::new());
    {
        let root = SVGBackend::with_string(&mut text, figure.size()).into_drawing_area();
        figure.draw(&root, &mut heats)?;
        root.present()?;
    }
    let mut behind = "\n<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>\n".to_owned();
    for heat in &heats {
        let (x, y) = &heat.place;
        behind += &format!(
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{}\"/>\n",
            x.start,
            y.start,
            x.len(),
            y.len(),
            BASE64.encode(heat.png()?),
        );
    }
    let opened = text.find('>').map_or(0, |end| end + 1);
    text.insert_str(opened, &behind);
    Ok(text)
}

/// The figure as the bytes of a PNG file.
///
/// # Errors
/// What the drawing library says.
pub fn png(figure: &impl Figure) -> Result<Vec<u8>, Failure> {
    let (width, height) = figure.size();
    let mut pixels = vec![255; width as usize * height as usize * 3];
    let mut heats = Vec::new();
    // Where the images lie is known only after a first drawing, and they lie behind.
    for _ in 0..2 {
        pixels.fill(255);
        heats.drain(..).for_each(|heat: Heat| heat.copy_to(&mut pixels, width as usize));
        let root = Canvas::new(&mut pixels, (width, height)).into_drawing_area();
        figure.draw(&root, &mut heats)?;
        root.present()?;
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}

/// Checks the name of a file for a figure that is drawn as SVG alone.
///
/// # Errors
/// Another ending.
pub fn check_svg(path: &Path) -> anyhow::Result<()> {
    if path.extension().is_none_or(|ending| ending != "svg") {
        bail!("{}: this figure's file must end in .svg", path.display());
    }
    Ok(())
}

/// Writes the figure in the format that the file's ending tells.
///
/// # Errors
/// Another ending, or a file that cannot be written.
pub fn write(figure: &impl Figure, path: &Path) -> anyhow::Result<()> {
    let failed = |error: Failure| anyhow::anyhow!("{}: {error}", path.display());
    let bytes = match path.extension().and_then(|ending| ending.to_str()) {
        Some("svg") => svg(figure).map_err(failed)?.into_bytes(),
        Some("png") => png(figure).map_err(failed)?,
        _ => bail!("{}: a figure's file must end in .svg or .png", path.display()),
    };
    replace(path, &[&bytes]).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A black dot in a corner of a coloured image, and a word.
    struct Dot;

    impl Figure for Dot {
        fn size(&self) -> (u32, u32) {
            (120, 60)
        }

        fn draw<B: DrawingBackend>(
            &self,
            root: &DrawingArea<B, Shift>,
            heats: &mut Vec<Heat>,
        ) -> Result<(), Failure>
        where
            B::ErrorType: 'static,
        {
            heats.push(Heat::new((20..60, 10..50), 2, &[0.0, 0.0, 1.0, 1.0]));
            root.draw(&Rectangle::new([(21, 11), (24, 14)], BLACK.filled()))?;
            root.draw(&Text::new("Hello", (70, 10), ("sans-serif", 14)))?;
            Ok(())
        }
    }

    #[test]
    fn images_lie_behind_what_is_drawn_in_both_formats() {
        let text = svg(&Dot).unwrap();
        let places = ["<svg", "<rect width", "<image x=\"20\"", "Hello", "</svg>"];
        let places = places.map(|part| text.find(part).unwrap());
        assert!(places.is_sorted(), "{places:?}");

        let bytes = png(&Dot).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let pixel = |x: usize, y: usize| &pixels[3 * (y * 120 + x)..][..3];
        assert_eq!(pixel(0, 0), [255, 255, 255]);
        assert_eq!(pixel(22, 12), [0, 0, 0]);
        assert_ne!(pixel(30, 12), pixel(30, 48));
        assert_eq!(pixel(59, 49), pixel(20, 49));
        let ink = (0..60).flat_map(|y| (65..120).map(move |x| (x, y)));
        assert!(ink.filter(|(x, y)| pixel(*x, *y)[0] < 128).count() > 20);
    }

    #[test]
    fn other_endings_are_refused() {
        let error = write(&Dot, Path::new("figure.jpg")).unwrap_err();
        assert_eq!(error.to_string(), "figure.jpg: a figure's file must end in .svg or .png");
        let error = check_svg(Path::new("figure.png")).unwrap_err();
        assert_eq!(error.to_string(), "figure.png: this figure's file must end in .svg");
        assert!(check_svg(Path::new("figure.svg")).is_ok() && check_svg(Path::new("svg")).is_err());
    }
}
