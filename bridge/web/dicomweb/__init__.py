"""DICOMweb: QIDO-RS, WADO-RS and STOW-RS, one module for each kind of resource. Source: PS3.18 8, 9, 10.

A view says what is asked and in which form it is wanted; who may see what is one question to `answers.looker`. Bodies are
streamed: an object is opened, and corrected, when its turn comes.
"""
