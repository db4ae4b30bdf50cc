"""Mistakes in the derivatives of a multilayer perceptron: what to ask of who made one, and what it is worth.

A mistake is told as a question, and as a step of the written solution by its label: never as a formula, and never by
the step's text, which is the answer. How one is recognised is not known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader.assignments import Misconception

if TYPE_CHECKING:
    from collections.abc import Mapping

STEPS = {
    "S1": "S1: the output layer",
    "S2": "S2: the pre-activation",
    "S3": "S3: how z_i changes with b_j",
    "S4": "S4: the chain rule through σ",
    "S5": "S5: which entries are not zero",
    "S6": "S6: how z_i changes with y_j",
    "S7": "S7: one entry",
    "S8": "S8: entry (i, j)",
    "S9": "S9: how y_l changes with one entry of A_l",
    "S10": "S10: the chain rule from y_l to y_L",
    "S11": "S11: the i-th entry alone",
    "S12": "S12: the matrix and its shape",
    "S13": "S13: the product over the layers",
}


def _known(credit: str, steps: str, question: str) -> Misconception:
    return Misconception(question, "; ".join(STEPS[step] for step in steps.split()), credit)


CATALOGUE: Mapping[str, Misconception] = {
    "sigma_prime_at_output": _known("0.4", "S1", "Is there a σ in y_L?"),
    "output_formula_in_hidden": _known("0.25", "S4", "Which function is applied after A_l y + b for l < L?"),
    "gradient_layout": _known("0.6", "S6 S12", "To which variable does row i belong, to which column j?"),
    "transposed_then_reshaped": _known("0.3", "S8", "Reshaping is not transposing: what stands at entry (1, 2)?"),
    "order_swapped": _known("0.4", "S8", "Does the slope of unit i belong to row i or to column i of the matrix?"),
    "hadamard_columns": _known("0.4", "S7", "Along which axis does broadcasting run: has each row its own factor?"),
    "vector_not_diagonal": _known("0.5", "S5", "How many entries do all derivatives of y_l by b_l have together?"),
    "full_not_diagonal": _known("0.25", "S3", "What is ∂z_1/∂b_2?"),
    "sum_not_diag": _known("0.3", "S11", "Unit i has a slope of its own: what is summed over the units?"),
    "sigma_instead_of_sigma_prime": _known("0.3", "S4", "Which function is the outer one, and was it differentiated?"),
    "sigma_prime_at_activation": _known("0.4", "S2", "What went into σ?"),
    "bias_dropped": _known("0.5", "S2", "The bias vanishes when z is differentiated; does it vanish from z itself?"),
    "sigma_prime_missing": _known("0.3", "S4 S13", "Which factor of the chain rule is missing?"),
    "A_missing": _known("0.3", "S6", "What is ∂z_i/∂y_j?"),
    "wrong_variable": _known("0", "S3 S6", "Which variable do you differentiate by?"),
    "value_not_derivative": _known("0", "S3", "Is this the quantity itself, or how it changes?"),
    "bias_in_derivative": _known("0", "S3", "Does the derivative of A y + b still depend on b?"),
    "sigma_prime_twice": _known("0.2", "S4", "How often does the chain rule use σ' in one layer?"),
    "inverse": _known("0.2", "S4", "Which way round is the derivative: of y by z, or of z by y?"),
    "sigma_prime_of_matrix": _known("0.2", "S4", "At which point is σ' taken?"),
    "off_by_one_layer": _known("0.4", "S2 S9", "Write the index of every factor for l = 2: which layer is each from?"),
    "chain_factor_missing": _known("0.3", "S10", "How does y_l reach y_L?"),
    "chain_too_short": _known("0.4", "S13", "Count the factors for L = 4 and l = 1: is each layer between there?"),
    "chain_too_long": _known("0.4", "S13", "Count the factors for L = 4 and l = 1: is one there that is not between?"),
    "chain_reversed": _known("0.4", "S13", "Do the shapes of neighbouring factors fit each other?"),
    "pre_activation_not_activation": _known("0.4", "S9", "What does A_l multiply?"),
    "flattened": _known("0.6", "S12", "The homework defines a matrix: which entry stands in row i, column j?"),
    "three_tensor": _known("0.4", "S10", "y_L is one number: what is summed to get from ∂y_l to ∂y_L?"),
    "loss_gradient_mixed_in": _known("0.6", "S10", "Is the derivative of y_L asked for, or that of a loss?"),
    "sign": _known("0.6", "S2 S10", "Where does a minus or an absolute value enter?"),
    "assumes_sigmoid": _known("0.4", "S4", "Does this hold for any σ, or for one only?"),
    "assumes_tanh": _known("0.4", "S4", "Does this hold for any σ, or for one only?"),
    "assumes_relu": _known("0.4", "S4", "Does this hold for any σ, or for one only?"),
    "only_positive_preactivations": _known("0.3", "S4", "Who decides what happens for z < 0?"),
    "transpose_in_preactivation": _known("0.4", "S2", "Which product is the pre-activation?"),
    "constant_derivative": _known("0", "S3 S6", "Which entries change with the variable, and how fast?"),
    "constant_factor": _known("0.3", "S8", "Where does the factor come from?"),
    "boundary_layer": _known("0.75", "S9", "What is y_0?"),
    "output_layer_misidentified": _known("0.75", "S1", "How do you know that a layer is the last one?"),
    "L1_special_case": _known("0.75", "S1", "Which case is it when l = L = 1?"),
    "squeeze_width1": _known("0.75", "S5", "What is the shape for n_l = 1?"),
    "hard_coded_depth": _known("0.75", "S13", "For which depths L is this written?"),
    "hard_coded_width": _known("0.75", "S12", "For which widths n_l is this written?"),
    "square_only": _known("0.75", "S12", "Which lengths are used where n_l and n_{l-1} differ?"),
    "hard_coded": _known("0", "S12", "Does the answer depend on the network?"),
    "stale_state": _known("0.5", "S2", "Does anything remember an earlier call?"),
    "mutates_inputs": _known("0.5", "S2", "Which of the inputs does the function write into?"),
    "error_carried_forward": _known("0.75", "S13", "Which of your other functions does this one rest on?"),
}

# Not mistakes with a name, but where one shows: worth a question and no credit.
HINTS: Mapping[str, Misconception] = {
    "right_in_last_hidden_layer": _known("0", "S13", "Right for l = L - 1: what comes between lower layers and y_L?"),
    "right_for_smallest_depth": _known("0", "S13", "Right for the fewest layers: what is new with one more?"),
    "right_for_one_unit": _known("0", "S5", "Right for layers of one unit: what is new with two?"),
}
