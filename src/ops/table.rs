//! The names and attributes of all operations, once: what printing, parsing and binding dimensions share.

use super::attr::{self, Attrs, Parsed};
use super::{Binary, Compare, Extent, Op, Reduce, Unary};

const UNARY: [(Unary, &str); 16] = [
    (Unary::Neg, "neg"),
    (Unary::Abs, "abs"),
    (Unary::Sign, "sign"),
    (Unary::Floor, "floor"),
    (Unary::Ceil, "ceil"),
    (Unary::RoundEven, "round_even"),
    (Unary::Sqrt, "sqrt"),
    (Unary::Exp, "exp"),
    (Unary::Expm1, "expm1"),
    (Unary::Log, "log"),
    (Unary::Log1p, "log1p"),
    (Unary::Sin, "sin"),
    (Unary::Cos, "cos"),
    (Unary::Tanh, "tanh"),
    (Unary::Erf, "erf"),
    (Unary::Not, "not"),
];

const BINARY: [(Binary, &str); 14] = [
    (Binary::Add, "add"),
    (Binary::Sub, "sub"),
    (Binary::Mul, "mul"),
    (Binary::Div, "div"),
    (Binary::Pow, "pow"),
    (Binary::Max, "max"),
    (Binary::Min, "min"),
    (Binary::FloorDiv, "floor_div"),
    (Binary::Rem, "rem"),
    (Binary::And, "and"),
    (Binary::Or, "or"),
    (Binary::Xor, "xor"),
    (Binary::Shl, "shl"),
    (Binary::Shr, "shr"),
];

const COMPARE: [(Compare, &str); 6] = [
    (Compare::Eq, "eq"),
    (Compare::Ne, "ne"),
    (Compare::Lt, "lt"),
    (Compare::Le, "le"),
    (Compare::Gt, "gt"),
    (Compare::Ge, "ge"),
];

const REDUCE: [(Reduce, &str); 6] = [
    (Reduce::Sum, "reduce_sum"),
    (Reduce::Product, "reduce_product"),
    (Reduce::Max, "reduce_max"),
    (Reduce::Min, "reduce_min"),
    (Reduce::Any, "reduce_any"),
    (Reduce::All, "reduce_all"),
];

fn name_in<T: PartialEq>(table: &[(T, &'static str)], op: &T) -> &'static str {
    table.iter().find(|(t, _)| t == op).map_or("?", |(_, name)| name)
}

fn find<T: Copy>(table: &[(T, &str)], name: &str) -> Option<T> {
    table.iter().find(|(_, n)| *n == name).map(|(t, _)| *t)
}

/// From rows `name Variant { key(field): Codec }` come the conversions of [`Op`]. The empty key stands before the
/// arguments. The four families of enums above are spelled out.
macro_rules! operations {
    ($($name:literal $variant:ident { $($key:ident($field:tt): $codec:ident),* })*) => {
        impl<D: Clone> Op<D> {
            /// The one name of an operation in every text form.
            pub fn name(&self) -> &'static str {
                match self {
                    Op::Unary(op) => name_in(&UNARY, op),
                    Op::Binary(op) => name_in(&BINARY, op),
                    Op::Compare(op) => name_in(&COMPARE, op),
                    Op::Reduce { op, .. } => name_in(&REDUCE, op),
                    $(Op::$variant { .. } => $name,)*
                }
            }

            pub fn attrs(&self) -> Attrs<D> {
                let mut out = vec![];
                match self {
                    Op::Unary(_) | Op::Binary(_) | Op::Compare(_) => {}
                    Op::Reduce { axes, .. } => attr::Nats::encode("axes", axes, &mut out),
                    $(Op::$variant { $($field: $key),* } => {
                        $(attr::$codec::encode(key(stringify!($key)), $key, &mut out);)*
                    })*
                }
                out
            }

            /// The same operation over other dimensions; the first error ends it.
            pub fn map_dims<E, X>(&self, f: &mut impl FnMut(&D) -> Result<E, X>) -> Result<Op<E>, X> {
                Ok(match self {
                    Op::Unary(op) => Op::Unary(*op),
                    Op::Binary(op) => Op::Binary(*op),
                    Op::Compare(op) => Op::Compare(*op),
                    Op::Reduce { op, axes } => Op::Reduce { op: *op, axes: axes.clone() },
                    $(Op::$variant { $($field: $key),* } => Op::$variant {
                        $($field: attr::$codec::map($key, &mut *f)?),*
                    },)*
                })
            }
        }

        impl<D: Extent> Op<D> {
            /// The operation of this name; takes its attributes out of `from`.
            pub fn from_attrs(name: &str, from: &mut Parsed<D>) -> Result<Self, String> {
                Ok(match name {
                    $($name => Op::$variant { $($field: attr::$codec::decode(key(stringify!($key)), from)?),* },)*
                    _ => return family(name, from),
                })
            }
        }
    };
}

/// `lead` marks the attribute that is written before the arguments.
fn key(name: &'static str) -> &'static str {
    if name == "lead" { "" } else { name }
}

fn family<D>(name: &str, from: &mut Parsed<D>) -> Result<Op<D>, String> {
    let simple = find(&UNARY, name)
        .map(Op::Unary)
        .or_else(|| find(&BINARY, name).map(Op::Binary))
        .or_else(|| find(&COMPARE, name).map(Op::Compare));
    match (simple, find(&REDUCE, name)) {
        (Some(op), _) => Ok(op),
        (None, Some(op)) => Ok(Op::Reduce { op, axes: attr::Nats::decode("axes", from)? }),
        (None, None) => Err(format!("no operation is called `{name}`")),
    }
}

operations! {
    "input" Input { lead(name): Text }
    "const" Const { lead(0): Lit }
    "table" Table { elements(0): Lits, shape(1): Dims }
    "dim" DimValue { lead(0): Dim }
    "iota" Iota { shape(shape): Dims, axis(axis): Nat, dtype(dtype): Ty }
    "philox" Philox { key(key): Key, shape(shape): Dims }

    "select" Select {}
    "cast" Cast { to(0): Ty }
    "bitcast" Bitcast { to(0): Ty }
    "stop_gradient" StopGradient {}
    "argmax" ArgMax { axis(axis): Nat }
    "argmin" ArgMin { axis(axis): Nat }
    "cumsum" CumSum { axis(axis): Nat, reverse(reverse): Flag }

    "reshape" Reshape { shape(shape): Dims }
    "transpose" Transpose { perm(perm): Nats }
    "broadcast" Broadcast { shape(shape): Dims, axes(axes): Nats }
    "slice" Slice { start(start): Dims, size(size): Dims, stride(stride): Nats }
    "pad" Pad { pads(pads): Pads }
    "concat" Concat { axis(axis): Nat }
    "reverse" Reverse { axes(axes): Nats }
    "dynamic_slice" DynamicSlice { size(size): Dims }
    "dynamic_update" DynamicUpdate {}

    "take" Take { axis(axis): Nat }
    "take_along" TakeAlong { axis(axis): Nat }
    "scatter_add" ScatterAdd { axis(axis): Nat, size(size): Dim }
    "scatter_add_along" ScatterAddAlong { axis(axis): Nat, size(size): Dim }

    "dot" Dot {
        lhs_batch(lhs_batch): Nats,
        rhs_batch(rhs_batch): Nats,
        lhs_contract(lhs_contract): Nats,
        rhs_contract(rhs_contract): Nats
    }
    "conv" Conv { window(window): Win, groups(groups): Groups }
    "conv_input_grad" ConvInputGrad { window(window): Win, groups(groups): Groups, input(input): DimPair }
    "conv_weight_grad" ConvWeightGrad { window(window): Win, groups(groups): Groups }

    "window_sum" WindowSum { window(window): Win }
    "window_sum_grad" WindowSumGrad { window(window): Win, input(input): DimPair }
    "window_argmax" WindowArgMax { window(window): Win }
    "window_gather" WindowGather { window(window): Win }
    "window_scatter" WindowScatter { window(window): Win, input(input): DimPair }

    "sort" Sort { axis(axis): Nat, descending(descending): Flag }
    "top_k" TopK { k(k): Nat }
    "attention" Attention { scores(scores): AttentionScores }
    "attention_grad" AttentionGrad { scores(scores): AttentionScores }
    "attention_bias_grad" AttentionBiasGrad { scores(scores): AttentionScores }
    "composite" Composite { lead(name): Text }
    "scan" Scan {
        carries(carries): Nat,
        xs(xs): Nat,
        length(length): Dim,
        reverse(reverse): Flag,
        while_carry(while_carry): Flag,
        checkpoint(checkpoint): Maybe
    }
    "grad" Grad {}
}
