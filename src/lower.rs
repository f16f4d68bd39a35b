//! Model to tensor IR: binds the opaque dimensions.
