"""The plan: cost and memory of a training, from the configuration alone, without weights.

``counting`` counts tokens, ``clip_costs`` what each clip costs and the largest forward pass; ``parameter_counts`` and
``activations`` feed ``memory``, which is held against the ``machines``; ``fitting`` looks for settings that fit, and
``stage`` puts it all together. ``loss_mask`` shows one clip as the model is trained on it.
"""
