"""The model, its training, and what one does with a trained model."""
