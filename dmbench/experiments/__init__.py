"""The protocols: one module a stem; modules with a leading underscore are shared by several."""
