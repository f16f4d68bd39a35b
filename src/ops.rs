//! Every tensor operation once: its name, arity, attributes, element types and shape rule.
//!
//! An operation is generic in what a dimension is: [`Dim`](dim::Dim) (a symbolic term) in the checker's model
//! graph, `usize` in tensor IR. So the checker and the IR verifier share one shape rule, [`shape::infer`].

pub mod attr;
pub mod dim;
mod kind;
pub mod shape;
mod table;

use std::fmt;

/// Element types.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum DType {
    F32,
    F64,
    Bf16,
    F16,
    I32,
    I64,
    U8,
    Bool,
}

impl DType {
    pub const ALL: [DType; 8] =
        [DType::F32, DType::F64, DType::Bf16, DType::F16, DType::I32, DType::I64, DType::U8, DType::Bool];

    pub fn name(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::Bf16 => "bf16",
            DType::F16 => "f16",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::U8 => "u8",
            DType::Bool => "bool",
        }
    }

    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|d| d.name() == name)
    }

    /// Bytes of one element in memory (`bool` is one byte, 0 or 1).
    pub fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 | DType::I32 => 4,
            DType::Bf16 | DType::F16 => 2,
            DType::U8 | DType::Bool => 1,
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64 | DType::Bf16 | DType::F16)
    }

    pub fn is_int(self) -> bool {
        matches!(self, DType::I32 | DType::I64 | DType::U8)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a dimension can be: a symbolic term or a plain number.
pub trait Extent: Clone + PartialEq + fmt::Display + fmt::Debug {
    fn constant(n: i64) -> Self;
    /// The number, where it is known.
    fn known(&self) -> Option<i64>;
    fn add(&self, other: &Self) -> Self;
    fn sub(&self, other: &Self) -> Self;
    fn mul(&self, other: &Self) -> Self;
    /// `floor(self / n)`, n ≥ 1.
    fn floor_div(&self, n: i64) -> Self;
    /// Proven equality: `false` also where it cannot be proved.
    fn same(&self, other: &Self) -> bool;
}

/// Shape and element type of a value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Type<D = usize> {
    pub dtype: DType,
    pub shape: Vec<D>,
}

impl<D> Type<D> {
    pub fn new(dtype: DType, shape: Vec<D>) -> Self {
        Type { dtype, shape }
    }

    pub fn scalar(dtype: DType) -> Self {
        Type { dtype, shape: vec![] }
    }

    pub fn rank(&self) -> usize {
        self.shape.len()
    }
}

impl Type<usize> {
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn bytes(&self) -> usize {
        self.elements() * self.dtype.size()
    }
}

/// `f32[64, 10]`; a scalar is `f32[]`.
impl<D: fmt::Display> fmt::Display for Type<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[", self.dtype)?;
        for (i, d) in self.shape.iter().enumerate() {
            write!(f, "{}{d}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str("]")
    }
}

/// A constant scalar; floats keep their bits, so that NaN and -0 survive printing.
#[derive(Clone, Copy, Debug)]
pub enum Literal {
    Float(f64),
    Int(i64),
    Bool(bool),
}

impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Literal::Float(a), Literal::Float(b)) => a.to_bits() == b.to_bits(),
            (Literal::Int(a), Literal::Int(b)) => a == b,
            (Literal::Bool(a), Literal::Bool(b)) => a == b,
            _ => false,
        }
    }
}

/// Elementwise operations of one argument. Result type = argument type, except `Not` (bool) and the integer
/// subset (neg, abs, sign work on ints; bit_not on ints).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unary {
    Neg,
    Abs,
    /// -1, 0 or 1; a zero keeps its sign, NaN stays NaN.
    Sign,
    Floor,
    Ceil,
    /// To the nearest integer, ties to even.
    RoundEven,
    Sqrt,
    Exp,
    Expm1,
    Log,
    Log1p,
    Sin,
    Cos,
    Tanh,
    Erf,
    /// Logical not of bool; bitwise not of an integer.
    Not,
}

/// Elementwise operations of two arguments of one type and one shape.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    /// Floats only; integers have `FloorDiv`.
    Div,
    Pow,
    /// NaN propagates; equal arguments (also -0 and +0) give the second.
    Max,
    /// NaN propagates; equal arguments (also -0 and +0) give the second.
    Min,
    /// Towards minus infinity (ints; floats: floor of the quotient). Integer division by zero gives 0.
    FloorDiv,
    /// a - b * floor_div(a, b): the sign of the divisor. Integer remainder by zero gives 0.
    Rem,
    /// Bitwise on ints, logical on bool.
    And,
    Or,
    Xor,
    /// Logical shifts on the bit pattern; a shift of 32 or more (64 for i64) gives 0.
    Shl,
    Shr,
}

/// Comparisons of two values of one type; the result is bool. Any ordered comparison with NaN is false, `Ne` true.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reduce {
    Sum,
    Product,
    Max,
    Min,
    /// bool
    Any,
    All,
}

/// A window over the two middle axes of NHWC: convolution and pooling.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Window {
    /// Kernel height and width, ≥ 1.
    pub size: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Padding `[[top, bottom], [left, right]]`.
    pub pads: [[usize; 2]; 2],
}

/// Padding of one axis; negative low or high crops. `interior` zeros go between neighbours.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pad {
    pub low: i64,
    pub high: i64,
    pub interior: usize,
}

/// What attention does with the products of queries and keys before it weighs values by them.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Scores {
    pub scale: f64,
    /// Query t of T does not see key s of S where s > t + S - T: the last query sees all keys.
    pub causal: bool,
    /// There is an argument `mask`: bool[B, H, T, S], true where a query sees a key.
    pub masked: bool,
    /// There is an argument `bias`: [B or 1, H or 1, T, S], added to the scaled products.
    pub biased: bool,
    /// There is an argument `keep`: bool[B, H, T, S]. Weights are multiplied by this where it is true, else by 0.
    pub keep: Option<f64>,
    /// A query that sees no key, or only scores of -inf, gets 0; else NaN, as softmax gives it.
    pub empty_is_zero: bool,
}

impl Scores {
    /// Number of the argument `mask`.
    pub fn mask(&self) -> Option<usize> {
        self.masked.then_some(3)
    }

    /// Number of the argument `bias`.
    pub fn bias(&self) -> Option<usize> {
        self.biased.then_some(3 + usize::from(self.masked))
    }

    /// Number of the argument `keep`.
    pub fn keep(&self) -> Option<usize> {
        self.keep.map(|_| 3 + usize::from(self.masked) + usize::from(self.biased))
    }

    /// How many arguments q, k, v, mask, bias and keep are together.
    pub fn arguments(&self) -> usize {
        3 + [self.masked, self.biased, self.keep.is_some()].into_iter().filter(|a| *a).count()
    }
}

/// One operation with its attributes. Arguments are listed after the arrow of each comment; `[]` marks a scalar.
/// Broadcasting is never implicit: elementwise arguments have equal shapes.
#[derive(Clone, PartialEq, Debug)]
pub enum Op<D = usize> {
    // ── source ──
    /// A named input of the function: see `tensor::InputRole`. → nothing
    Input {
        name: String,
    },
    /// A scalar constant of the inst's result type (shape `[]`).
    Const(Literal),
    /// A constant tensor given element by element, row-major; for small tables only. The result's dtype decides.
    Table(Vec<Literal>, Vec<D>),
    /// A dimension as a number, i32[]: what `sum(x) / B` divides by. A constant once dimensions are bound.
    DimValue(D),
    /// 0, 1, 2, … along `axis` of `shape`.
    Iota {
        shape: Vec<D>,
        axis: usize,
        dtype: DType,
    },
    /// Philox4x32-10, one 32-bit word per element, as i32[shape] (bit patterns).
    /// Element i (row-major) is word `i % 4` of the block with counter `(i / 4, step, key low, key high)` and
    /// Philox key `(seed, 0x6e6e6300)`. → seed: i32[], step: i32[]
    Philox {
        key: u64,
        shape: Vec<D>,
    },

    // ── map ──
    Unary(Unary),
    Binary(Binary),
    Compare(Compare),
    /// → cond: bool, then, otherwise
    Select,
    /// Saturating, NaN → 0 for float to int; int to bool is `!= 0`.
    Cast(DType),
    /// Same bits, other type of the same size (i32 ↔ f32).
    Bitcast(DType),
    /// The identity, with gradient zero.
    StopGradient,

    // ── reduce ──
    /// Removes `axes` (sorted, distinct). Empty sums are 0, products 1, max -inf, min +inf, any false, all true.
    Reduce {
        op: Reduce,
        axes: Vec<usize>,
    },
    /// Index of the first extreme value along `axis`, as i32; NaN counts as the extreme. Removes the axis.
    ArgMax {
        axis: usize,
    },
    ArgMin {
        axis: usize,
    },
    /// Inclusive running sum.
    CumSum {
        axis: usize,
        reverse: bool,
    },

    // ── move ──
    Reshape {
        shape: Vec<D>,
    },
    /// Result axis i is argument axis `perm[i]`.
    Transpose {
        perm: Vec<usize>,
    },
    /// Result has `shape`; argument axis i becomes result axis `axes[i]` (ascending); an argument dimension must
    /// equal the result's or be 1 (then it is repeated).
    Broadcast {
        shape: Vec<D>,
        axes: Vec<usize>,
    },
    /// `start..start + size * stride` by `stride` on each axis; `size` is the result's shape.
    Slice {
        start: Vec<D>,
        size: Vec<D>,
        stride: Vec<usize>,
    },
    /// → x, value[]
    Pad {
        pads: Vec<Pad>,
    },
    /// → one or more
    Concat {
        axis: usize,
    },
    Reverse {
        axes: Vec<usize>,
    },
    /// The start is checked, never clamped. → x, start: i32[] per axis
    DynamicSlice {
        size: Vec<D>,
    },
    /// → x, update, start: i32[] per axis
    DynamicUpdate,

    // ── index ── (indices are i32 and checked at run time)
    /// Replaces axis `axis` of x by the shape of the indices. → x, indices
    Take {
        axis: usize,
    },
    /// result[.., i, ..] = x[.., indices[.., i, ..], ..]: same rank, indices' shape. → x, indices
    TakeAlong {
        axis: usize,
    },
    /// Adjoint of take: adds slices of `updates` into zeros of a length `size` on `axis`, in ascending source order.
    /// → updates, indices
    ScatterAdd {
        axis: usize,
        size: D,
    },
    /// Adjoint of take_along, same conventions. → updates, indices
    ScatterAddAlong {
        axis: usize,
        size: D,
    },

    // ── contract ──
    /// Result axes: batch, then free of lhs, then free of rhs. → lhs, rhs
    Dot {
        lhs_batch: Vec<usize>,
        rhs_batch: Vec<usize>,
        lhs_contract: Vec<usize>,
        rhs_contract: Vec<usize>,
    },
    /// NHWC · HWIO (I = C / groups) → NHWO. → x, w
    Conv {
        window: Window,
        groups: usize,
    },
    /// Adjoint of Conv in x; `input` is x's [height, width]. → y_adj, w
    ConvInputGrad {
        window: Window,
        groups: usize,
        input: [D; 2],
    },
    /// Adjoint of Conv in w. → x, y_adj
    ConvWeightGrad {
        window: Window,
        groups: usize,
    },

    // ── window ── (NHWC, each channel by itself)
    /// Sum over each window, padding counts as 0. → x
    WindowSum {
        window: Window,
    },
    /// Adjoint of WindowSum; `input` is x's [height, width]. → y_adj
    WindowSumGrad {
        window: Window,
        input: [D; 2],
    },
    /// Offset in the window (`kh * width + kw`, i32) of the first largest value in row order; NaN counts as the
    /// largest, padding as -inf and never wins. → x
    WindowArgMax {
        window: Window,
    },
    /// Reads x at the offsets. → x, offsets
    WindowGather {
        window: Window,
    },
    /// Adjoint of WindowGather. → y_adj, offsets
    WindowScatter {
        window: Window,
        input: [D; 2],
    },

    // ── order ──
    /// Stable and ascending; NaN last. → x; results: values, indices (i32)
    Sort {
        axis: usize,
        descending: bool,
    },
    /// The k largest on the last axis in descending order, first index first. → x; results: values, indices (i32)
    TopK {
        k: usize,
    },

    // ── attention ──
    /// Queries q [B, H, T, D] look up keys k [B, G, S, D], values v [B, G, S, E], where head h of the queries reads
    /// head h / (H / G) of the others. With score = scale · q·k + bias, -inf where the query does not see the key, the
    /// results are o = softmax(score) · v: [B, H, T, E], and lse = log Σ exp(score): [B, H, T].
    /// → q, k, v, mask?, bias?, keep?
    Attention {
        scores: Scores,
    },
    /// Adjoints of q, k and v from those of o, which are `o_adj` and, by row, `delta` = Σ o · o_adj - lse_adj:
    /// the adjoint of a score is p · (o_adj·v - delta), with p = exp(score - lse). → as attention, lse, o_adj, delta
    AttentionGrad {
        scores: Scores,
    },
    /// The adjoint of the bias; same arguments.
    AttentionBiasGrad {
        scores: Scores,
    },

    // ── region ──
    /// Runs its body; keeps its own gradient. See `tensor::Region`. → the body's parameters
    Composite {
        name: String,
    },
    /// Runs its body once for each position of an axis of `length` elements, from 0 upwards (`reverse`: downwards).
    /// The body takes the position (i32[]), the constants, the carries so far, and one slice of each of the `xs`; it
    /// gives the next `carries`, then what this position adds to the results that are stacked (the ys). With
    /// `while_carry` the first carry is a bool[]: once it is false no step runs any more, and what the ys would have got
    /// is zero (false). `checkpoint` K: of all steps only carries are kept, every K steps, and the rest is computed again.
    /// See `tensor::scan`.
    /// → constants…, first carries…, xs… (their axis 0 is scanned); results: last carries…, ys… (stacked on axis 0)
    Scan {
        carries: usize,
        xs: usize,
        reverse: bool,
        length: D,
        while_carry: bool,
        checkpoint: Option<usize>,
    },
    /// Stands for the gradients of the first argument (scalar) by each further one; expanded by autodiff.
    /// → loss[], wrt…; results: one adjoint per wrt, of its type
    Grad,
}
