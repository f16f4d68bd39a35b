//! Codes E04xx: layers, instances and parameters.
//!
//! The first example of each explanation causes the error: a test in `sema` runs them.

use super::{Code, Explanation};

const fn entry(code: u16, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code: Code(code), title, text }
}

pub const ALL: &[Explanation] = &[
    entry(
        401,
        "a layer is constructed inside a function",
        "Layers own parameters, so they are declared, not made on the way: else each call would make new ones, and \
their names would depend on the order of calls.

```nn
model Net() {
  fn forward(x: f32[B, 4]) -> f32[B, 10] { x |> Dense(10) }
}
```

Declare a member, and call it:

```nn
model Net() {
  head = Dense(10)
  fn forward(x: f32[B, 4]) -> f32[B, 10] { x |> head }
}
```",
    ),
    entry(
        402,
        "a dimension of the layer is not known yet",
        "The size of a member depends on a dimension that only the arguments of another function fix.

```nn
model Coder() {
  inner = Dense(8)
  outer = Dense(P)
  fn encode(x: f32[B, P]) -> f32[B, 8] { inner(x) }
  fn forward(z: f32[B, 8]) -> f32[B, P] { outer(z) }
}
```

Call that function first, or make the dimension an argument of the layer: `model Coder(pixels: int)`.",
    ),
    entry(
        403,
        "two members of one name",
        "A layer declares a name twice, or a member has the name of an argument.

```nn
model Net() {
  head = Dense(10)
  head = Dense(20)
  fn forward(x: f32[B, 4]) -> f32[B, 10] { head(x) }
}
```",
    ),
    entry(
        404,
        "a layer is called with another size",
        "The dimensions that a layer's parameters have are fixed by its first call, and this call disagrees.

```nn
model Net() {
  hidden = Dense(128)
  fn forward(x: f32[B, 784]) -> f32[B, 128] { x |> hidden |> hidden }
}
```

Declare a second layer: one layer has one set of parameters.",
    ),
    entry(
        405,
        "a member that does not exist here",
        "The member is declared under a condition that does not hold for this instance.

```nn
model Net(deep: bool = false) {
  if deep { extra = Dense(4) }
  fn forward(x: f32[B, 4]) -> f32[B, 4] { extra(x) }
}
```

Use it under the same condition: `if deep { extra(x) } else { x }`.",
    ),
    entry(
        406,
        "this member cannot be assigned",
        "Only buffers are assigned by a layer. Parameters change in `minimize`, other members never.

```nn
model Net() {
  param scale: f32[] = 1.0
  fn forward(x: f32[B]) -> f32[B] {
    scale = 2.0
    scale * x
  }
}
```",
    ),
    entry(
        407,
        "no `forward`",
        "`net(x)` means `net.forward(x)`, and the layer (or initializer, or schedule) has no such function.

```nn
layer Half() { fn encode(x: f32[B]) -> f32[B] { x / 2.0 } }
model Net() {
  half = Half()
  fn forward(x: f32[B]) -> f32[B] { half(x) }
}
```

Call the function by name: `half.encode(x)`.",
    ),
    entry(
        408,
        "wrong initial value",
        "What follows `=` of a parameter is no initial value for its type.

```nn
model Net() {
  param weight: f32[3] = ones([4])
  fn forward(x: f32[B, 3]) -> f32[B, 3] { x * weight }
}
```

A number fills the tensor; an initializer such as `glorot_uniform` or `normal(std: 0.02)` gets its shape; a tensor \
must have it.",
    ),
    entry(
        410,
        "does not belong in a layer",
        "A layer holds `param`, `buffer`, members, conditions on members, and functions.

```nn
layer Net() {
  split train 0.9, test 0.1
  fn forward(x: f32[B]) -> f32[B] { x }
}
model Outer() {
  net = Net()
  fn forward(x: f32[B]) -> f32[B] { net(x) }
}
```",
    ),
    entry(
        411,
        "a parameter cannot be read here",
        "A `composite` function sees only its arguments, so that its `vjp` can give the adjoint of each; initial values \
of parameters are independent of each other.

```nn
model Net() {
  param scale: f32[] = 2.0
  composite fn scaled(x: f32[B]) -> f32[B] { scale * x } vjp (y, y_adj) { scale * y_adj }
  fn forward(x: f32[B]) -> f32[B] { scaled(x) }
}
```

Pass the parameter as an argument.",
    ),
    entry(
        412,
        "a buffer is assigned outside of training",
        "Evaluating a model may not change it, so buffers are assigned only inside `if training { … }`.

```nn
model Net() {
  buffer count: f32[] = 0.0
  fn forward(x: f32[B]) -> f32[B] {
    count = count + 1.0
    x
  }
}
```",
    ),
    entry(
        413,
        "no initial value",
        "A parameter or buffer needs its first value.

```nn
model Net() {
  param weight: f32[3]
  fn forward(x: f32[B, 3]) -> f32[B, 3] { x * weight }
}
```

Write `= glorot_uniform`, `= zeros`, or a number.",
    ),
    entry(
        414,
        "not a kind of member",
        "A typed member of a layer begins with `param` or `buffer`.

```nn
model Net() {
  parm weight: f32[3] = ones
  fn forward(x: f32[B, 3]) -> f32[B, 3] { x * weight }
}
```",
    ),
    entry(
        415,
        "a composite function without tensors",
        "A composite function gives a tensor or a record of tensors.

```nn
composite fn f(x: f32[B]) { 1 }
fn g(x: f32[B]) -> f32[B] {
  let n = f(x)
  x
}
```",
    ),
    entry(
        416,
        "wrong names after `vjp`",
        "`vjp` names each result, then the adjoint of each.

```nn
composite fn double(x: f32[B]) -> f32[B] { 2.0 * x } vjp (y_adj) { 2.0 * y_adj }
fn f(x: f32[B]) -> f32[B] { double(x) }
```

For one result: `vjp (y, y_adj) { … }`.",
    ),
    entry(
        417,
        "wrong adjoints from `vjp`",
        "The value of `vjp` is the adjoint of the float argument, or a record with one for each, of the same types.

```nn
composite fn total(x: f32[B]) -> f32 { sum(x) } vjp (y, y_adj) { y_adj }
fn f(x: f32[B]) -> f32 { total(x) }
```

Here the adjoint has the shape of x: `broadcast_to(y_adj, [B])`.",
    ),
    entry(
        418,
        "a layer is not constructed",
        "A declaration names a layer without calling it, so that there are no parameters.

```nn
model Net() { fn forward(x: f32[B, 2]) -> f32[B, 2] { x } }
train {
  let net = Net
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```

Write `Net()`.",
    ),
    entry(
        419,
        "`another` takes a layer",
        "`another(layer)` declares a layer of the same kind, with the same arguments and parameters of its own.

```nn
model Net() {
  first = Dense(4)
  second = another(4)
  fn forward(x: f32[B, 4]) -> f32[B, 4] { x |> first |> second }
}
```",
    ),
    entry(
        420,
        "`initial` takes an initializer and a shape",
        "`initial(init, shape)` is the tensor that an initializer gives, for first values that are made of others.

```nn
model Net() {
  param w: f32[4, 4] = 2.0 * initial(glorot_uniform)
  fn forward(x: f32[B, 4]) -> f32[B, 4] { x @ w }
}
```",
    ),
];
