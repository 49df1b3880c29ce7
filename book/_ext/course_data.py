"""The plan of the course: its parts and chapters. Whether a chapter is in the book is read from the files."""

from __future__ import annotations

from pathlib import Path

PARTS: dict[str, list[tuple[int, str, str]]] = {
    "By hand, in NumPy": [
        (1, "data", "Data"),
        (2, "gradient_descent", "Gradient descent"),
        (3, "backpropagation", "Back-propagation"),
        (4, "multilayer_perceptrons", "Multilayer perceptrons"),
        (5, "optimisers", "Optimisers"),
        (6, "evaluation", "Evaluation"),
        (7, "convolution", "Convolution"),
        (8, "sequences", "Sequences"),
        (9, "attention", "Attention"),
        (10, "transformer_numpy", "A Transformer in NumPy"),
    ],
    "Transformers in PyTorch": [
        (11, "from_numpy_to_pytorch", "From NumPy to PyTorch"),
        (12, "training_fast", "Training fast"),
        (13, "tokenisation", "Tokenisation"),
        (14, "gpt", "GPT"),
        (15, "bert_and_transfer", "BERT and transfer"),
        (16, "translation", "Translation"),
        (17, "vision_and_multimodal", "Vision and words"),
        (18, "scaling", "Scaling"),
    ],
    "Models that generate": [
        (19, "autoencoders_and_vae", "Autoencoders, VAE"),
        (20, "gan_game", "A game of two networks"),
        (21, "gan_images", "GANs for images"),
        (22, "diffusion", "Diffusion"),
    ],
    "From model to product": [
        (23, "understanding_users", "Understanding users"),
        (24, "recommendation", "Recommendation"),
        (25, "bandits_and_rl", "Bandits and RL"),
        (26, "churn_and_risk", "Churn and risk"),
        (27, "customer_service", "Customer service"),
        (28, "compression", "Compression"),
        (29, "deployment", "Deployment"),
        (30, "privacy_and_security", "Privacy and security"),
        (31, "interpretability", "Interpretability"),
        (32, "planning", "Planning"),
    ],
}

CHAPTERS: dict[int, tuple[str, str]] = {
    number: (stem, title) for chapters in PARTS.values() for number, stem, title in chapters
}


# The question that a chapter answers, for the pages that lead to it.
QUESTIONS: dict[int, str] = {
    1: "What does a model actually see?",
    2: "How does a machine get better at something nobody wrote rules for?",
    3: "How does a network know which of a million numbers to blame?",
    4: "What do depth and width buy, and what do they cost?",
    5: "Why does the same network sometimes learn and sometimes explode?",
    6: "How do you know it works, and how would you notice that it does not?",
    7: "Why does a picture need a different network?",
    8: "How does a model remember, and does it take a neural network?",
    9: "What does it mean to look something up softly?",
    10: "How little is a GPT?",
    11: "What does a framework do for you, and what does it hide?",
    12: "Why is the processor idle, and what does a training run cost?",
    13: "Why can't it spell, and why does Chinese cost more?",
    14: "What happens when next-token prediction works?",
    20: "How can two networks teach each other?",
    21: "How do you measure something whose output has no right answer?",
}

# Figures that move on the first page: the module in minilib/widgets, its chapter, what to do with it.
FIRST_FIGURES: list[tuple[str, int, str]] = [
    ("loss_surface", 2, "Set the rate: the same walk downhill crawls, lands, or flies off."),
    ("graph_stepper", 3, "Step back through a calculation: blame is handed from the result to what it was made of."),
    ("train_in_browser", 4, "A small network, trained in this page, bends its boundary around the points."),
]


def docname(number: int) -> str:
    """The chapter's page: 2 → notebooks/02_gradient_descent."""
    return f"notebooks/{number:02d}_{CHAPTERS[number][0]}"


def exists(root: Path, number: int) -> bool:
    """Whether the chapter's notebook has been written."""
    return (root / f"{docname(number)}.ipynb").is_file()
