/* JavaScript, inside: the grammar's symbols and what an expression comes to. */
#ifndef NX_EXECUTION_SCAN_JAVASCRIPT_INTERNAL_H
#define NX_EXECUTION_SCAN_JAVASCRIPT_INTERNAL_H

#include "execution/scan_value.h"

/* X(symbol of a named node), X(field). Version 14 of clang-format never comes to rest on lists of this length. */
/* clang-format off */
#define NX_JS_SYMBOLS(X) \
	X(arguments) X(array) X(array_pattern) X(arrow_function) X(assignment_expression) \
	X(assignment_pattern) X(augmented_assignment_expression) X(await_expression) X(binary_expression) \
	X(call_expression) X(class_body) X(decorator) X(do_statement) X(escape_sequence) \
	X(export_statement) X(for_in_statement) X(for_statement) X(function_declaration) X(identifier) X(import) \
	X(import_clause) X(import_specifier) X(import_statement) X(member_expression) X(named_imports) \
	X(namespace_import) X(new_expression) X(number) X(object_assignment_pattern) X(object_pattern) X(pair_pattern) \
	X(parenthesized_expression) X(property_identifier) X(return_statement) X(sequence_expression) \
	X(shorthand_property_identifier) X(shorthand_property_identifier_pattern) X(spread_element) \
	X(statement_block) X(string) X(string_fragment) X(subscript_expression) X(template_string) \
	X(template_substitution) X(ternary_expression) X(unary_expression) X(variable_declarator) \
	X(while_statement) X(break_statement) X(throw_statement) X(yield_expression) X(with_statement) \
	X(pair)

#define NX_JS_FIELDS(X) \
	X(alias) X(alternative) X(argument) X(arguments) X(body) X(condition) X(consequence) X(constructor) \
	X(function) X(index) X(key) X(left) X(name) X(object) X(operator) X(property) X(right) X(source) \
	X(value)
/* clang-format on */

struct nx_js {
	struct nx_names w; /* first: the evaluator gets a pointer to it */
	struct {
#define X(name) TSSymbol name;
		NX_JS_SYMBOLS(X)
#undef X
	} s;
	struct {
#define X(name) TSFieldId name;
		NX_JS_FIELDS(X)
#undef X
	} f;
	struct nx_js_node *nodes; /* those that the rules are asked about, in the order of the text */
	size_t nnodes, nodes_cap;
};

static inline bool nx_js_is(TSNode n, TSSymbol s)
{
	return !ts_node_is_null(n) && ts_node_symbol(n) == s;
}

static inline TSNode nx_js_child(TSNode n, TSFieldId f)
{
	return ts_node_child_by_field_id(n, f);
}

struct nx_value nx_js_evaluate(struct nx_names *w, TSNode n, unsigned depth);
/* "node:child_process" and "fs/promises" are child_process and fs.promises. */
struct nx_value nx_js_module(struct nx_names *w, nx_str module);
bool nx_js_is_require(nx_str name);
/* The name without what only says how it is called: "x.exec.call" is x.exec. */
nx_str nx_js_plain(nx_str name);

#endif
