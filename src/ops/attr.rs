//! Attributes of operations as data, so that one table ([`super::table`]) prints, parses and converts all operations.
//!
//! A codec is one kind of attribute. Each has three functions: `encode` appends it to a list, `decode` takes it from
//! one, `map` converts its dimensions.

use super::{DType, Extent, Literal, Pad, Scores, Window};
use std::fmt;

/// The value of one attribute.
#[derive(Clone, PartialEq, Debug)]
pub enum Attr<D = usize> {
    Lit(Literal),
    /// Prints as `0x1f`; reads back as an integer.
    Hex(u64),
    Dim(D),
    /// A bare word: an element type.
    Word(String),
    /// Quoted text.
    Text(String),
    List(Vec<Attr<D>>),
}

/// Attributes by name, in order. The one with an empty name stands before the arguments, outside the braces.
pub type Attrs<D = usize> = Vec<(&'static str, Attr<D>)>;

/// What the parser read: names are owned, a dimension that is a number is an integer literal.
#[derive(Debug)]
pub struct Parsed<D = usize>(pub Vec<(String, Attr<D>)>);

impl<D> Parsed<D> {
    pub fn take(&mut self, key: &str) -> Option<Attr<D>> {
        let at = self.0.iter().position(|(k, _)| k == key)?;
        Some(self.0.remove(at).1)
    }

    fn decode<T>(&mut self, key: &str, decode: impl Fn(Attr<D>) -> Option<T>) -> Result<T, String> {
        let attr = self.take(key).ok_or_else(|| format!("missing attribute `{key}`"))?;
        decode(attr).ok_or_else(|| format!("attribute `{key}` is malformed"))
    }
}

/// Text in quotes; only `"`, `\` and line ends are escaped.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// Floats print so that they read back to the same bits.
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Float(x) if x.is_nan() => write!(f, "nan({:#x})", x.to_bits()),
            Literal::Float(x) => write!(f, "{x:?}"),
            Literal::Int(n) => write!(f, "{n}"),
            Literal::Bool(b) => write!(f, "{b}"),
        }
    }
}

impl<D: fmt::Display> fmt::Display for Attr<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attr::Lit(literal) => literal.fmt(f),
            Attr::Hex(bits) => write!(f, "{bits:#x}"),
            Attr::Dim(d) => d.fmt(f),
            Attr::Word(word) => f.write_str(word),
            Attr::Text(text) => f.write_str(&quoted(text)),
            Attr::List(items) => {
                let items: Vec<String> = items.iter().map(|a| a.to_string()).collect();
                write!(f, "[{}]", items.join(", "))
            }
        }
    }
}

// ── conversions of single values ──

fn int<D>(n: i64) -> Attr<D> {
    Attr::Lit(Literal::Int(n))
}

fn nat<D>(n: &usize) -> Attr<D> {
    int(*n as i64)
}

fn as_int<D>(attr: Attr<D>) -> Option<i64> {
    match attr {
        Attr::Lit(Literal::Int(n)) => Some(n),
        _ => None,
    }
}

fn as_nat<D>(attr: Attr<D>) -> Option<usize> {
    usize::try_from(as_int(attr)?).ok()
}

fn as_list<D, T>(attr: Attr<D>, item: impl Fn(Attr<D>) -> Option<T>) -> Option<Vec<T>> {
    match attr {
        Attr::List(items) => items.into_iter().map(item).collect(),
        _ => None,
    }
}

fn as_pair<D, T>(attr: Attr<D>, item: impl Fn(Attr<D>) -> Option<T>) -> Option<[T; 2]> {
    as_list(attr, item)?.try_into().ok()
}

fn list<D, T>(items: &[T], item: impl Fn(&T) -> Attr<D>) -> Attr<D> {
    Attr::List(items.iter().map(item).collect())
}

fn pad_attr<D>(pad: &Pad) -> Attr<D> {
    Attr::List(vec![int(pad.low), int(pad.high), nat(&pad.interior)])
}

fn as_pad<D>(attr: Attr<D>) -> Option<Pad> {
    let [low, high, interior] = as_list(attr, as_int)?.try_into().ok()?;
    Some(Pad { low, high, interior: usize::try_from(interior).ok()? })
}

// ── codecs without dimensions ──

/// Defines a codec from an owned and a borrowed type and the two conversions.
macro_rules! plain {
    ($name:ident: $owned:ty as $borrowed:ty, $encode:expr, $decode:expr) => {
        pub struct $name;

        impl $name {
            pub fn encode<D>(key: &'static str, value: &$borrowed, out: &mut Attrs<D>) {
                let encode: fn(&$borrowed) -> Attr<D> = $encode;
                out.push((key, encode(value)));
            }

            pub fn decode<D>(key: &str, from: &mut Parsed<D>) -> Result<$owned, String> {
                from.decode(key, $decode)
            }

            pub fn map<D, E, X>(value: &$borrowed, _: &mut impl FnMut(&D) -> Result<E, X>) -> Result<$owned, X> {
                Ok(value.to_owned())
            }
        }
    };
}

plain!(Nat: usize as usize, |n| nat(n), as_nat);
plain!(Nats: Vec<usize> as [usize], |ns| list(ns, nat), |a| as_list(a, as_nat));
plain!(Pads: Vec<Pad> as [Pad], |pads| list(pads, pad_attr), |a| as_list(a, as_pad));
plain!(Key: u64 as u64, |bits| Attr::Hex(*bits), |a| as_int(a).map(|n| n as u64));
plain!(Ty: DType as DType, |dtype| Attr::Word(dtype.name().to_string()), |a| match a {
    Attr::Word(word) => DType::from_name(&word),
    _ => None,
});
plain!(Text: String as str, |text| Attr::Text(text.to_string()), |a| match a {
    Attr::Text(text) => Some(text),
    _ => None,
});
plain!(Lit: Literal as Literal, |literal| Attr::Lit(*literal), as_literal);
plain!(Lits: Vec<Literal> as [Literal], |items| list(items, |l| Attr::Lit(*l)), |a| as_list(a, as_literal));

fn as_literal<D>(attr: Attr<D>) -> Option<Literal> {
    match attr {
        Attr::Lit(literal) => Some(literal),
        _ => None,
    }
}

/// A truth value, printed only where true.
pub struct Flag;

impl Flag {
    pub fn encode<D>(key: &'static str, value: &bool, out: &mut Attrs<D>) {
        if *value {
            out.push((key, Attr::Lit(Literal::Bool(true))));
        }
    }

    pub fn decode<D>(key: &str, from: &mut Parsed<D>) -> Result<bool, String> {
        Ok(matches!(from.take(key), Some(Attr::Lit(Literal::Bool(true)))))
    }

    pub fn map<D, E, X>(value: &bool, _: &mut impl FnMut(&D) -> Result<E, X>) -> Result<bool, X> {
        Ok(*value)
    }
}

/// The number of groups of a convolution, printed only where not 1.
pub struct Groups;

impl Groups {
    pub fn encode<D>(key: &'static str, value: &usize, out: &mut Attrs<D>) {
        if *value != 1 {
            out.push((key, nat(value)));
        }
    }

    pub fn decode<D>(key: &str, from: &mut Parsed<D>) -> Result<usize, String> {
        match from.take(key) {
            None => Ok(1),
            Some(attr) => as_nat(attr).ok_or_else(|| format!("attribute `{key}` is malformed")),
        }
    }

    pub fn map<D, E, X>(value: &usize, _: &mut impl FnMut(&D) -> Result<E, X>) -> Result<usize, X> {
        Ok(*value)
    }
}

/// A number that may be absent, printed only where there is one.
pub struct Maybe;

impl Maybe {
    pub fn encode<D>(key: &'static str, value: &Option<usize>, out: &mut Attrs<D>) {
        out.extend(value.iter().map(|n| (key, nat(n))));
    }

    pub fn decode<D>(key: &str, from: &mut Parsed<D>) -> Result<Option<usize>, String> {
        if from.has(key) { from.decode(key, as_nat).map(Some) } else { Ok(None) }
    }

    pub fn map<D, E, X>(value: &Option<usize>, _: &mut impl FnMut(&D) -> Result<E, X>) -> Result<Option<usize>, X> {
        Ok(*value)
    }
}

/// A window spreads over four attributes; a dilation of 1 and no padding are left out.
pub struct Win;

impl Win {
    pub fn encode<D>(_: &'static str, window: &Window, out: &mut Attrs<D>) {
        out.push(("size", list(&window.size, nat)));
        out.push(("stride", list(&window.stride, nat)));
        if window.dilation != [1, 1] {
            out.push(("dilation", list(&window.dilation, nat)));
        }
        if window.pads != [[0, 0], [0, 0]] {
            out.push(("pads", list(&window.pads, |pair| list(pair, nat))));
        }
    }

    pub fn decode<D>(_: &str, from: &mut Parsed<D>) -> Result<Window, String> {
        let mut pair = |key: &str| from.decode(key, |a| as_pair(a, as_nat));
        let (size, stride) = (pair("size")?, pair("stride")?);
        let dilation = if from.has("dilation") { from.decode("dilation", |a| as_pair(a, as_nat))? } else { [1, 1] };
        let pads = match from.has("pads") {
            true => from.decode("pads", |a| as_pair(a, |side| as_pair(side, as_nat)))?,
            false => [[0, 0], [0, 0]],
        };
        Ok(Window { size, stride, dilation, pads })
    }

    pub fn map<D, E, X>(window: &Window, _: &mut impl FnMut(&D) -> Result<E, X>) -> Result<Window, X> {
        Ok(window.clone())
    }
}

/// Scores spread over six attributes; what is absent is left out.
pub struct AttentionScores;

impl AttentionScores {
    pub fn encode<D>(_: &'static str, scores: &Scores, out: &mut Attrs<D>) {
        out.push(("scale", Attr::Lit(Literal::Float(scores.scale))));
        Flag::encode("causal", &scores.causal, out);
        Flag::encode("mask", &scores.masked, out);
        Flag::encode("bias", &scores.biased, out);
        if let Some(keep) = scores.keep {
            out.push(("keep", Attr::Lit(Literal::Float(keep))));
        }
        Flag::encode("empty_is_zero", &scores.empty_is_zero, out);
    }

    pub fn decode<D>(_: &str, from: &mut Parsed<D>) -> Result<Scores, String> {
        Ok(Scores {
            scale: from.decode("scale", as_float)?,
            causal: Flag::decode("causal", from)?,
            masked: Flag::decode("mask", from)?,
            biased: Flag::decode("bias", from)?,
            keep: if from.has("keep") { Some(from.decode("keep", as_float)?) } else { None },
            empty_is_zero: Flag::decode("empty_is_zero", from)?,
        })
    }

    pub fn map<D, E, X>(scores: &Scores, _: &mut impl FnMut(&D) -> Result<E, X>) -> Result<Scores, X> {
        Ok(*scores)
    }
}

fn as_float<D>(attr: Attr<D>) -> Option<f64> {
    match as_literal(attr)? {
        Literal::Float(x) => Some(x),
        _ => None,
    }
}

impl<D> Parsed<D> {
    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(k, _)| k == key)
    }
}

// ── codecs of dimensions ──

/// A number that the kind of dimension can hold, or a term.
fn as_dim<D: Extent>(attr: Attr<D>) -> Option<D> {
    match attr {
        Attr::Lit(Literal::Int(n)) => Some(D::constant(n)).filter(|d| d.known() == Some(n)),
        Attr::Dim(dim) => Some(dim),
        _ => None,
    }
}

pub struct Dim;

impl Dim {
    pub fn encode<D: Clone>(key: &'static str, value: &D, out: &mut Attrs<D>) {
        out.push((key, Attr::Dim(value.clone())));
    }

    pub fn decode<D: Extent>(key: &str, from: &mut Parsed<D>) -> Result<D, String> {
        from.decode(key, as_dim)
    }

    pub fn map<D, E, X>(value: &D, f: &mut impl FnMut(&D) -> Result<E, X>) -> Result<E, X> {
        f(value)
    }
}

pub struct Dims;

impl Dims {
    pub fn encode<D: Clone>(key: &'static str, value: &[D], out: &mut Attrs<D>) {
        out.push((key, list(value, |d| Attr::Dim(d.clone()))));
    }

    pub fn decode<D: Extent>(key: &str, from: &mut Parsed<D>) -> Result<Vec<D>, String> {
        from.decode(key, |a| as_list(a, as_dim))
    }

    pub fn map<D, E, X>(value: &[D], f: &mut impl FnMut(&D) -> Result<E, X>) -> Result<Vec<E>, X> {
        value.iter().map(f).collect()
    }
}

/// Height and width.
pub struct DimPair;

impl DimPair {
    pub fn encode<D: Clone>(key: &'static str, value: &[D; 2], out: &mut Attrs<D>) {
        Dims::encode(key, value, out);
    }

    pub fn decode<D: Extent>(key: &str, from: &mut Parsed<D>) -> Result<[D; 2], String> {
        from.decode(key, |a| as_pair(a, as_dim))
    }

    pub fn map<D, E, X>([height, width]: &[D; 2], f: &mut impl FnMut(&D) -> Result<E, X>) -> Result<[E; 2], X> {
        Ok([f(height)?, f(width)?])
    }
}
