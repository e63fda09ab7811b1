//! The domain `show`: pictures and plots in the terminal.

use super::data::Batch;
use super::host::Host;
use super::names::a_type;
use super::{RhaiResultOf, callback, convert, options};
use crate::attack::Norm;
use crate::data;
use crate::nn::Model;
use crate::report::picture::{Picture, Protocol, Terminal, draw};
use crate::report::plot::{self, Series, Size};
use crate::report::short;
use crate::torch::{Tensor, no_grad};
use crate::{Error, Result};
use rhai::plugin::*;
use rhai::{Array, FnPtr, Map};
use serde::Deserialize;

pub fn module() -> rhai::Module {
    rhai::exported_module!(functions)
}

/// More pictures than anybody looks at; the rest is left out.
const MOST: usize = 32;
/// Pairs that `show_attack` shows unless told otherwise.
const PAIRS: usize = 4;
/// The lines of a plot, and the most characters in a line, unless told otherwise.
const HEIGHT: usize = 10;
const WIDTH: usize = 80;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Showing {
    columns: Option<usize>,
    width: Option<usize>,
    titles: Option<Vec<String>>,
    protocol: Option<Protocol>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Comparing {
    class_names: Option<Vec<String>>,
    rows: Option<usize>,
    width: Option<usize>,
    protocol: Option<Protocol>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Plotting {
    title: Option<String>,
    width: Option<usize>,
    height: Option<usize>,
    kind: Option<Kind>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Line,
    Bars,
}

/// Standard output with what the options say.
fn terminal(width: Option<usize>, protocol: Option<Protocol>) -> Result<Terminal> {
    let mut terminal = Terminal::stdout()?;
    terminal.protocol = protocol.unwrap_or(terminal.protocol);
    terminal.columns = positive("width", width)?.unwrap_or(terminal.columns);
    Ok(terminal)
}

fn positive(option: &str, value: Option<usize>) -> Result<Option<usize>> {
    ensure!(value != Some(0), "`{option}` must be at least 1, got 0");
    Ok(value)
}

/// The first images of a tensor, and how many it has.
fn first_images(what: &str, tensor: &Tensor, most: usize) -> Result<(Vec<data::Image>, usize)> {
    let n = if tensor.ndim() == 4 {
        tensor.dim(0)?
    } else {
        1
    };
    let some = match tensor.ndim() {
        4 => tensor.narrow(0, 0, n.min(most as i64))?,
        _ => tensor.clone(),
    };
    Ok((data::images(what, &some)?, n as usize))
}

/// The first images of an array.
fn first_of(images: Array) -> Result<Vec<data::Image>> {
    ensure!(!images.is_empty(), "`images` is an empty array");
    let mut first = Vec::new();
    for (at, image) in images.into_iter().take(MOST).enumerate() {
        let what = format!("images[{at}]");
        let kind = image.type_name();
        let Some(image) = image.flatten().try_cast::<Tensor>() else {
            bail!("`{what}` must be an image, got {}", a_type(kind))
        };
        ensure!(
            image.ndim() == 3,
            "`{what}` must be one image, [3, h, w] or [1, h, w], got {}",
            image.signature()
        );
        first.extend(data::images(&what, &image)?);
    }
    Ok(first)
}

fn show_all(
    context: &NativeCallContext,
    images: Vec<data::Image>,
    all: usize,
    options: Showing,
) -> RhaiResultOf<()> {
    let mut captions = options.titles.unwrap_or_default();
    if !captions.is_empty() && captions.len() != all {
        let given = captions.len();
        let sentence = format!("`titles` must have one for each of {all} images, got {given}");
        return Err(sentence.into());
    }
    captions.resize(images.len(), String::new());
    let shown = images.len();
    let pictures: Vec<_> = images
        .into_iter()
        .zip(captions)
        .map(|(image, caption)| Picture { image, caption })
        .collect();
    let terminal = terminal(options.width, options.protocol)?;
    let columns = positive("columns", options.columns)?;
    let mut text = draw(&pictures, columns, &terminal)?;
    if shown < all {
        text += &format!("\nthe first {shown} of {all}");
    }
    Host::of(context).print(&text);
    Ok(())
}

/// Image, adversarial example and difference of one row.
fn compared(x: &Tensor, x_adv: &Tensor, captions: [String; 2]) -> Result<[Picture; 3]> {
    let delta = x_adv.sub(x)?;
    let sizes = delta.unsqueeze(0)?;
    let (linf, l2) = (
        Norm::Linf.size(&sizes)?.item()?,
        Norm::L2.size(&sizes)?.item()?,
    );
    let factor = if linf > 0.0 { 0.5 / linf } else { 0.0 };
    let magnified = delta.mul(factor)?.add(0.5)?;
    let difference = match linf > 0.0 {
        true => format!(
            "difference x{}, linf {} = {}/255, l2 {}",
            short(factor),
            short(linf),
            short(255.0 * linf),
            short(l2)
        ),
        false => "no difference".to_owned(),
    };
    let picture = |what: &str, tensor: &Tensor, caption: String| {
        let image = data::images(what, tensor)?.remove(0);
        Ok::<_, Error>(Picture { image, caption })
    };
    let [clean, attacked] = captions;
    Ok([
        picture("x", x, clean)?,
        picture("x_adv", x_adv, attacked)?,
        picture("x_adv - x", &magnified, difference)?,
    ])
}

/// Shows pairs with the classes that `predict` gives a batch.
fn compare(
    context: &NativeCallContext,
    predict: impl Fn(&Tensor) -> Result<Tensor>,
    x: &Tensor,
    x_adv: &Tensor,
    options: Map,
) -> RhaiResultOf<()> {
    let given: Comparing = options::read("show_attack", options)?;
    let text = comparison(predict, x, x_adv, given)?;
    Host::of(context).print(&text);
    Ok(())
}

fn comparison(
    predict: impl Fn(&Tensor) -> Result<Tensor>,
    x: &Tensor,
    x_adv: &Tensor,
    options: Comparing,
) -> Result<String> {
    ensure!(
        x.shape() == x_adv.shape() && (3..=4).contains(&x.ndim()),
        "`x` and `x_adv` must be images of one shape, [3, h, w] or [n, 3, h, w], got {} and {}",
        x.signature(),
        x_adv.signature()
    );
    let most = positive("rows", options.rows)?.unwrap_or(PAIRS) as i64;
    let batch = |images: &Tensor| match images.ndim() {
        3 => images.detach()?.unsqueeze(0),
        _ => images.detach()?.narrow(0, 0, images.dim(0)?.min(most)),
    };
    let (x, x_adv) = (batch(x)?, batch(x_adv)?);
    ensure!(x.numel() > 0, "`x` has no images, got {}", x.signature());
    let classes = |images: &Tensor| no_grad(|| predict(images))?.to_vec_i64();
    let (before, after) = (classes(&x)?, classes(&x_adv)?);
    if let Some(names) = &options.class_names {
        let most = before.iter().chain(&after).max().copied().unwrap_or(0);
        ensure!(
            i64::try_from(names.len()).is_ok_and(|n| most < n),
            "`class_names` must name every class, got {} names and class {most}",
            names.len()
        );
    }
    let name = |class: i64| {
        let names = options.class_names.as_deref().unwrap_or_default();
        let name = usize::try_from(class).ok().and_then(|at| names.get(at));
        name.map_or_else(|| format!("class {class}"), String::clone)
    };
    let mut pictures = Vec::new();
    for (at, (before, after)) in before.into_iter().zip(after).enumerate() {
        let captions = [
            format!("original: {}", name(before)),
            format!("adversarial: {}", name(after)),
        ];
        let at = at as i64;
        let pair = (x.select(0, at)?, x_adv.select(0, at)?);
        pictures.extend(compared(&pair.0, &pair.1, captions)?);
    }
    let terminal = terminal(options.width, options.protocol)?;
    draw(&pictures, Some(3), &terminal)
}

/// The numbers of an array or a tensor `[n]`; `()` is a gap.
fn numbers(what: &str, value: Dynamic) -> Result<Vec<f64>> {
    let kind = value.type_name();
    let value = match value.flatten().try_cast_result::<Tensor>() {
        Ok(tensor) => {
            ensure!(
                tensor.ndim() == 1,
                "`{what}` must be a tensor [n], got {}",
                tensor.signature()
            );
            return tensor.to_vec_f64();
        }
        Err(value) => value,
    };
    let Ok(array) = value.into_array() else {
        bail!(
            "`{what}` must be an array of numbers or a tensor [n], got {}",
            a_type(kind)
        )
    };
    let entries = array.into_iter().enumerate();
    entries
        .map(|(at, it)| match number(&it) {
            Some(value) => Ok(value),
            None => bail!(
                "`{what}` must hold numbers, entry {at} is {}",
                a_type(it.type_name())
            ),
        })
        .collect()
}

/// A number, or NaN for `()`.
fn number(value: &Dynamic) -> Option<f64> {
    match (value.as_float(), value.as_int()) {
        (Ok(value), _) => Some(value),
        (_, Ok(value)) => Some(value as f64),
        _ => value.is_unit().then_some(f64::NAN),
    }
}

/// What there is to draw: numbers over numbers, or one number for each of some names.
enum Drawing {
    Lines(Vec<Series>),
    Bars(Vec<(String, f64)>),
}

fn drawing(value: Dynamic) -> Result<Drawing> {
    let map = match value.flatten().try_cast_result::<Map>() {
        Ok(map) => map,
        Err(value) => return Ok(Drawing::Lines(vec![counted("", numbers("values", value)?)])),
    };
    ensure!(!map.is_empty(), "`values` is an empty map");
    if map.values().all(|it| number(it).is_some()) {
        let bars = map.into_iter();
        let bars = bars.map(|(name, it)| (name.to_string(), number(&it).unwrap_or(f64::NAN)));
        return Ok(Drawing::Bars(bars.collect()));
    }
    let series = map.into_iter().map(|(name, it)| {
        let values = numbers(&format!("values.{name}"), it)?;
        Ok(counted(&name, values))
    });
    Ok(Drawing::Lines(series.collect::<Result<_>>()?))
}

/// Values over 0, 1, 2, ...
fn counted(name: &str, values: Vec<f64>) -> Series {
    let points = values.into_iter().enumerate();
    Series {
        name: name.to_owned(),
        points: points.map(|(at, y)| (at as f64, y)).collect(),
    }
}

fn pairs(xs: Dynamic, ys: Dynamic) -> Result<Drawing> {
    let ys = numbers("ys", ys)?;
    let same_length = |n: usize| {
        let given = ys.len();
        ensure!(
            n == given,
            "`xs` and `ys` must be of one length, got {n} and {given}"
        );
        Ok(())
    };
    let named = xs.read_lock::<Array>().is_some_and(|array| {
        let mut entries = array.iter();
        entries.next().is_some_and(Dynamic::is_string)
    });
    if named {
        let names = convert::strings("xs", convert::array("xs", xs)?)?;
        same_length(names.len())?;
        return Ok(Drawing::Bars(names.into_iter().zip(ys).collect()));
    }
    let xs = numbers("xs", xs)?;
    same_length(xs.len())?;
    Ok(Drawing::Lines(vec![Series {
        name: String::new(),
        points: xs.into_iter().zip(ys).collect(),
    }]))
}

/// The drawing as the kind that was asked for.
fn as_kind(drawing: Drawing, kind: Option<Kind>) -> Result<Drawing> {
    Ok(match (drawing, kind) {
        (Drawing::Bars(bars), Some(Kind::Line)) => {
            let values = bars.into_iter().map(|it| it.1).collect();
            Drawing::Lines(vec![counted("", values)])
        }
        (Drawing::Lines(series), Some(Kind::Bars)) => {
            let [one] = <[Series; 1]>::try_from(series).map_err(|all| {
                Error::invalid(format!(
                    "`kind` \"bars\" takes one number for each name, got {} arrays",
                    all.len()
                ))
            })?;
            let bars = one.points.into_iter();
            Drawing::Bars(bars.map(|(x, y)| (short(x), y)).collect())
        }
        (drawing, _) => drawing,
    })
}

/// Draws what `drawing` makes of the values, once the options are understood.
fn draw_plot(
    context: &NativeCallContext,
    drawing: impl FnOnce() -> Result<Drawing>,
    options: Map,
) -> RhaiResultOf<()> {
    let given: Plotting = options::read("plot", options)?;
    let text = plotted(drawing()?, &given)?;
    let title = given.title.map(|title| title + "\n").unwrap_or_default();
    Host::of(context).print(&format!("{title}{text}"));
    Ok(())
}

fn plotted(drawing: Drawing, options: &Plotting) -> Result<String> {
    let width = match options.width {
        Some(width) => width,
        None => Terminal::stdout()?.columns.clamp(20, WIDTH),
    };
    let size = Size::new(width, options.height.unwrap_or(HEIGHT))?;
    match as_kind(drawing, options.kind)? {
        Drawing::Lines(series) => plot::lines(&series, size),
        Drawing::Bars(bars) => Ok(plot::bars(&bars, size)),
    }
}

/// Pictures and plots in the terminal.
#[export_module]
pub mod functions {
    /// Draws an image, or several side by side, in the terminal.
    ///
    /// - `images`: `[3, h, w]`, `[1, h, w]` (grey) or a batch of these, in [0, 1]; an array of
    ///   such images, which may differ in size; or a batch of a data set. At most 32 are drawn
    /// - `columns` (default as many as fit): how many side by side
    /// - `width` (default the terminal's): so many characters for all of them
    /// - `titles` (default none, for a batch of a data set its labels): a text for each image
    /// - `protocol` (default what the terminal promises): `"kitty"`, `"iterm2"`, `"sixel"`,
    ///   `"blocks"` or `"none"`
    ///
    /// Graphics in kitty, iTerm2, WezTerm and terminals that know sixel, half blocks elsewhere:
    /// in 24-bit colours, in 256 or in grey characters, as `COLORTERM` and `TERM` promise. The
    /// environment variable `RHOBUST_PICTURES` (`kitty`, `iterm2`, `sixel`, `blocks`, `none`)
    /// decides otherwise. Where there is no terminal, one line says the shape.
    ///
    /// Errors: another shape, integers, and pixels outside of [0, 1].
    ///
    /// ```rhai
    /// show(rand([3, 32, 32]));
    /// let test = dataset("shapes").test;
    /// show(test.batch(4), #{ columns: 4 });
    /// let image = test.image(0);
    /// show([image, image.flip(2)], #{ titles: ["image", "mirrored"] });
    /// ```
    #[rhai_fn(name = "show", return_raw)]
    pub fn show(context: NativeCallContext, images: Tensor) -> RhaiResultOf<()> {
        show_with(context, images, Map::new())
    }

    #[rhai_fn(name = "show", return_raw)]
    pub fn show_with(context: NativeCallContext, images: Tensor, options: Map) -> RhaiResultOf<()> {
        let options = options::read("show", options)?;
        let (images, all) = first_images("images", &images, MOST)?;
        show_all(&context, images, all, options)
    }

    #[rhai_fn(name = "show", return_raw)]
    pub fn show_array(context: NativeCallContext, images: Array) -> RhaiResultOf<()> {
        show_array_with(context, images, Map::new())
    }

    #[rhai_fn(name = "show", return_raw)]
    pub fn show_array_with(
        context: NativeCallContext,
        images: Array,
        options: Map,
    ) -> RhaiResultOf<()> {
        let options = options::read("show", options)?;
        let all = images.len();
        let images = first_of(images)?;
        show_all(&context, images, all, options)
    }

    #[rhai_fn(name = "show", return_raw)]
    pub fn show_batch(context: NativeCallContext, images: Batch) -> RhaiResultOf<()> {
        show_batch_with(context, images, Map::new())
    }

    #[rhai_fn(name = "show", return_raw)]
    pub fn show_batch_with(
        context: NativeCallContext,
        images: Batch,
        options: Map,
    ) -> RhaiResultOf<()> {
        let mut options: Showing = options::read("show", options)?;
        if options.titles.is_none() {
            let labels = images.labels().to_vec_i64()?.into_iter();
            options.titles = Some(labels.map(|label| format!("class {label}")).collect());
        }
        let (images, all) = first_images("images", images.images(), MOST)?;
        show_all(&context, images, all, options)
    }

    /// Draws images, their adversarial examples and the magnified differences side by side.
    ///
    /// - `classifier`: predicts the classes in the captions: a model, in eval mode, or a closure
    ///   from pixels in [0, 1] to logits `[n, k]`
    /// - `x`, `x_adv`: images of one shape, `[3, h, w]` or `[n, 3, h, w]`, in [0, 1]
    /// - `class_names` (default numbers): a name for each class
    /// - `rows` (default 4): how many pairs of a batch
    /// - `width` (default the terminal's): so many characters for three pictures
    /// - `protocol` (default what the terminal promises): as for `show`
    ///
    /// The difference lies around mid-grey and is magnified so that its largest value is black
    /// or white; its caption says by how much, and its norms.
    ///
    /// ```rhai
    /// let model = resnet18(#{ outputs: 10, stem: "small" });
    /// let test = dataset("shapes").test;
    /// let batch = test.batch(2);
    /// let x_adv = fgsm(#{ eps: px(8) }).perturb(model, batch.x, batch.y);
    /// show_attack(model, batch.x, x_adv);
    /// show_attack(model, batch.x[0], x_adv[0], #{ class_names: test.class_names });
    /// show_attack(|x| x.flatten(1), batch.x, x_adv, #{ rows: 1 });
    /// ```
    #[rhai_fn(name = "show_attack", return_raw)]
    pub fn show_attack(
        context: NativeCallContext,
        classifier: Model,
        x: Tensor,
        x_adv: Tensor,
    ) -> RhaiResultOf<()> {
        show_attack_with(context, classifier, x, x_adv, Map::new())
    }

    #[rhai_fn(name = "show_attack", return_raw)]
    pub fn show_attack_with(
        context: NativeCallContext,
        classifier: Model,
        x: Tensor,
        x_adv: Tensor,
        options: Map,
    ) -> RhaiResultOf<()> {
        compare(&context, |x| classifier.predict(x), &x, &x_adv, options)
    }

    #[rhai_fn(name = "show_attack", return_raw)]
    pub fn show_attack_on_closure(
        context: NativeCallContext,
        classifier: FnPtr,
        x: Tensor,
        x_adv: Tensor,
    ) -> RhaiResultOf<()> {
        show_attack_on_closure_with(context, classifier, x, x_adv, Map::new())
    }

    #[rhai_fn(name = "show_attack", return_raw)]
    pub fn show_attack_on_closure_with(
        context: NativeCallContext,
        classifier: FnPtr,
        x: Tensor,
        x_adv: Tensor,
        options: Map,
    ) -> RhaiResultOf<()> {
        let classifier = callback::classifier(&context, &classifier);
        let predict = |x: &Tensor| classifier.logits(x)?.argmax(1, false);
        compare(&context, predict, &x, &x_adv, options)
    }

    /// Draws numbers in the terminal: a line, several lines, or labelled bars.
    ///
    /// - `values`: an array of numbers or a tensor `[n]`, `()` and NaN being gaps; a map of
    ///   these, for several lines; or a map of numbers, for bars
    /// - `xs`, `ys`: as many numbers each; names as `xs` give bars in their order
    /// - `title` (default none): a line above
    /// - `height` (default 10): so many lines; bars have one for each number
    /// - `width` (default that of the terminal, at most 80): so many characters
    /// - `kind` (default what suits the values): `"line"` or `"bars"`
    ///
    /// ```rhai
    /// plot([2.3, 1.4, 1.1, 0.9]);
    /// plot(#{ Adv: [2.3, 1.4, 1.1], "Adv+": [2.3, 1.2, 0.8] }, #{ title: "loss" });
    /// plot(["cat", "dog"], [0.12, 0.31]);
    /// let eps = linspace(0.0, 0.1, 20);
    /// plot(eps, eps * eps, #{ height: 6, width: 40 });
    /// ```
    #[rhai_fn(name = "plot", return_raw)]
    pub fn plot(context: NativeCallContext, values: Dynamic) -> RhaiResultOf<()> {
        plot_with(context, values, Map::new())
    }

    #[rhai_fn(name = "plot", return_raw)]
    pub fn plot_with(
        context: NativeCallContext,
        values: Dynamic,
        options: Map,
    ) -> RhaiResultOf<()> {
        draw_plot(&context, || drawing(values), options)
    }

    #[rhai_fn(name = "plot", return_raw)]
    pub fn plot_pairs(context: NativeCallContext, xs: Dynamic, ys: Dynamic) -> RhaiResultOf<()> {
        plot_pairs_with(context, xs, ys, Map::new())
    }

    #[rhai_fn(name = "plot", return_raw)]
    pub fn plot_pairs_with(
        context: NativeCallContext,
        xs: Dynamic,
        ys: Dynamic,
        options: Map,
    ) -> RhaiResultOf<()> {
        draw_plot(&context, || pairs(xs, ys), options)
    }
}
