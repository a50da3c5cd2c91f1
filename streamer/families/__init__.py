"""The families of models, a package each; none knows another, and nothing below knows any of them.

========  ====================================================  ===============================
package   plays                                                 models
========  ====================================================  ===============================
chain     expressive piano, note after note                     ``chain``
tunes     melodies with an end, in styles                       ``lm``, ``vae``, ``vrash``
windows   sections of a piano roll, or answers to a player      ``draw``, ``query``
bands     four tracks, two bars at a time, by genre             ``musae``
========  ====================================================  ===============================

What all share lies below (:mod:`streamer.generators`, :mod:`streamer.selection`,
:mod:`streamer.engine`); what one alone needs lies in its package.
"""
