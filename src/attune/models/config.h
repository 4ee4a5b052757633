// What a model is made of: config.json in a model directory, keys of the config file and flags of the command line. The
// keys are listed once, in visit(), with their help.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace attune {

struct ModelConfig {
  std::string task = "translation";
  std::string architecture = "transformer";
  int encoder_layers = 6, decoder_layers = 6;
  int width = 512, heads = 8, feed_forward = 2048;
  std::string encoder_mixer = "scaled_dot", decoder_mixer = "scaled_dot", cross_mixer = "scaled_dot";
  std::string normaliser = "softmax", attention_norm = "none";  // none, layer_norm, rms_norm
  int kernel_width = 3;
  int window = 512;           // of local: keys in all
  std::string dilation = "";  // "": 1
  int global_tokens = 0;
  std::string sparse_pattern = "strided";  // strided, fixed
  int stride = 128, summary = 8;
  int block = 64, window_blocks = 3, global_blocks = 2, random_blocks = 3;
  int lsh_hashes = 2, lsh_chunk = 64;
  bool lsh_sees_itself = false;
  int projected_length = 256;
  std::string projection_sharing = "heads";  // none, heads, key_value, layers
  int features = 0;                          // 0: depth ln(depth), rounded up
  std::string feature_kernel = "exponential";
  bool feature_redraw = true;
  int landmarks = 64, landmark_rounds = 6, value_kernel = 0;
  std::string spatial_gate = "split";  // split, multiplicative, additive, linear
  bool spatial_toeplitz = false;
  int spatial_heads = 1;
  double spatial_norm_epsilon = 1e-5;
  std::string spatial_initialiser = "normal(1e-06)";
  int tiny_attention = 0, tiny_attention_heads = 1;  // its width, 0: none
  std::string channels = "";                         // "": as width
  double encoder_gradient = 0;                       // 0: 1 / (2 decoder_layers)
  std::string norm_position = "pre";                 // pre, post
  std::string norm = "layer_norm";                   // layer_norm, rms_norm
  double norm_epsilon = 1e-5;
  std::string activation = "relu";
  bool gated_feed_forward = false;
  bool biases = true;
  std::string positions = "sinusoidal";  // nn/positions.h
  int max_positions = 1024;              // of what is learnt by position
  std::string gru_reset = "after";       // before, after the product
  bool bidirectional = false, reverse_source = false;
  std::string source_vector = "start";  // start, every_step
  double forget_bias = 1;
  std::string recurrent_initialiser = "orthogonal";
  std::string cell = "lstm";  // lstm, gru, rnn
  bool input_feeding = true;
  std::string attention_window = "global";  // global, local-m, local-p
  int window_reach = 10;
  bool paper_initialisation = false;
  std::string tied_embeddings = "decoder";  // none, decoder (target and output), all (source too)
  bool embedding_scale = true;
  double survival = 1;
  bool reversible = false;
  int feed_forward_chunk = 0;    // tokens; 0: all at once
  std::string pooling = "mean";  // mean, first, last
  bool binary_head = false;
  int labels = 0;               // 0, "" and 0: as the training data says
  std::string image_size = "";  // height and width, or "HEIGHTxWIDTH"
  int image_channels = 0;
  int patch_size = 4;
  bool embedding_norm = false, prediction_transform = false, next_sentence = false;
  double dropout = 0.1, embedding_dropout = -1, attention_dropout = -1, activation_dropout = 0;  // -1: as dropout
  std::string initialiser = "xavier_uniform";
  std::string embedding_initialiser = "";  // "": normal(width^-0.5)
  std::string tokenizer = "unigram";       // unigram, bpe (SentencePiece), words, characters, bytes
  int vocab_size = 8000;                   // asked for; the tokenizers' own sizes are below
  bool joint_vocabulary = true;
  bool lowercase = false;
  // From the tokenizers, not from flags.
  int source_vocabulary = 0, target_vocabulary = 0;
  // From the training images.
  double pixel_mean = 0, pixel_deviation = 1;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("task", self.task,
         "translation, masked_language_model, language_model, classification, tagging, image_classification");
    each("architecture", self.architecture, "transformer, rnn, gru, lstm, bahdanau, luong, convolutional");
    each("encoder-layers", self.encoder_layers, "layers of the encoder");
    each("decoder-layers", self.decoder_layers, "layers of the decoder");
    each("width", self.width, "width of the hidden states");
    each("heads", self.heads, "attention heads; must divide the width");
    each("feed-forward", self.feed_forward, "inner width of the feed-forward layers, and of spatial gating");
    each("encoder-mixer", self.encoder_mixer,
         "what mixes source tokens: scaled_dot, local, sparse, bigbird, lsh, linformer, performer, linear, nystrom, "
         "mean, "
         "rnn, gru, lstm, convolution, spatial_gating");
    each("decoder-mixer", self.decoder_mixer,
         "what mixes target tokens: scaled_dot, local, sparse, lsh, performer, linear, rnn, gru, lstm, convolution, "
         "spatial_gating");
    each("cross-mixer", self.cross_mixer,
         "what reads the source from the decoder: scaled_dot, mean; bahdanau: additive; luong: dot, general, concat, "
         "location");
    each("normaliser", self.normaliser, "of attention weights: softmax, relu, relu_mean, relu_sum, sigmoid");
    each("attention-norm", self.attention_norm,
         "of what attention's heads give together, in front of their output product: none, layer_norm, rms_norm");
    each("kernel-width", self.kernel_width, "tokens that a convolution sees");
    each("window", self.window, "keys that local attention sees, half of them on each side of the query");
    each("dilation", self.dilation, "how far apart they are: a number, or one for each head, as 1,1,2,4; empty: 1");
    each("global-tokens", self.global_tokens,
         "first tokens of a sequence that see all and are seen by all (local, bigbird)");
    each("sparse-pattern", self.sparse_pattern,
         "strided: even heads see the last tokens, odd heads every stride-th; fixed: even heads see their own stretch, "
         "odd heads the last tokens of every stretch");
    each("stride", self.stride, "tokens of a stretch (sparse)");
    each("summary", self.summary, "last tokens of a stretch that odd heads see (sparse, fixed)");
    each("block", self.block, "tokens of a block (bigbird)");
    each("window-blocks", self.window_blocks, "blocks around its own one that a query sees (bigbird)");
    each("global-blocks", self.global_blocks, "blocks that see all and are seen by all (bigbird)");
    each("random-blocks", self.random_blocks, "other blocks, drawn for each block, head and layer (bigbird)");
    each("lsh-hashes", self.lsh_hashes,
         "rounds of hashing; may differ between training and use, and so may the chunk (lsh)");
    each("lsh-chunk", self.lsh_chunk,
         "tokens, sorted by hashes, that see one another and the chunk before; 0: all tokens, without hashes (lsh)");
    each("lsh-sees-itself", self.lsh_sees_itself,
         "a token sees itself as any other; false: only where it sees nothing else, as Reformer has it (lsh)");
    each("projected-length", self.projected_length,
         "what the keys and values of a sequence of max-positions are projected to (linformer)");
    each("projection-sharing", self.projection_sharing,
         "who shares these projections: none, heads, key_value (and heads), layers (and all these) (linformer)");
    each("features", self.features, "random features of a head (performer); 0: d ln(d), d being the head's width");
    each("feature-kernel", self.feature_kernel,
         "what they estimate: exponential, which is softmax, or relu (performer)");
    each("feature-redraw", self.feature_redraw, "other random features at every update of a training (performer)");
    each("landmarks", self.landmarks, "means of queries and keys that stand for a sequence (nystrom)");
    each("landmark-rounds", self.landmark_rounds, "rounds of the iteration that inverts their attention (nystrom)");
    each("value-kernel", self.value_kernel,
         "tokens of the convolution of values that is added, odd (nystrom); 0: none");
    each("spatial-gate", self.spatial_gate,
         "what spatial gating makes of Z and f(Z): split, Z1 * f(Z2); multiplicative; additive; linear, f(Z) alone");
    each("spatial-toeplitz", self.spatial_toeplitz, "spatial weights that depend on the distance alone");
    each("spatial-heads", self.spatial_heads, "spatial matrices, each for a part of the gate's channels");
    each("spatial-norm-epsilon", self.spatial_norm_epsilon, "added to the variance in the gate's norm");
    each("spatial-initialiser", self.spatial_initialiser, "of the spatial matrices, whose biases begin with 1");
    each("tiny-attention", self.tiny_attention, "width of the attention beside spatial gating (aMLP); 0: none");
    each("tiny-attention-heads", self.tiny_attention_heads, "heads of that attention; must divide its width");
    each("channels", self.channels,
         "of convolutional layers, e.g. 512,512,768 (the last for all further); empty: width");
    each("encoder-gradient", self.encoder_gradient,
         "what a convolutional encoder's gradient is multiplied by; 0: 1 / (2 decoder-layers), 1: left as it is");
    each("norm-position", self.norm_position, "pre: x + f(norm(x)); post: norm(x + f(x))");
    each("norm", self.norm, "layer_norm or rms_norm");
    each("norm-epsilon", self.norm_epsilon, "added to the variance");
    each("activation", self.activation, "relu, gelu, gelu_tanh, silu, sigmoid, tanh");
    each("gated-feed-forward", self.gated_feed_forward, "feed-forward as W2 (W1 x * activation(V x))");
    each("biases", self.biases, "biases in attention and feed-forward layers");
    each("positions", self.positions,
         "added to embeddings: sinusoidal, sinusoidal_concatenated, sinusoidal_tensor2tensor, learned; in scaled_dot "
         "self-attention: relative, relative_offset, rotary, rotary_halves, alibi; or none");
    each(
        "max-positions", self.max_positions,
        "longest sequence, for learned positions, spatial gating, linformer and cross-mixer location; relative_offset: "
        "offsets from it on share a bias");
    each("gru-reset", self.gru_reset,
         "the GRU's reset gate acts before or after the product with the candidate's weight");
    each("bidirectional", self.bidirectional, "recurrent encoder both ways, half the width each");
    each("reverse-source", self.reverse_source, "recurrent encoder from the end to the beginning");
    each("source-vector", self.source_vector,
         "where a decoder without attention gets the source from: start, its first state; every_step as well");
    each("forget-bias", self.forget_bias, "what the bias of an LSTM's forget gates begins with");
    each("recurrent-initialiser", self.recurrent_initialiser, "of what multiplies a recurrent layer's last state");
    each("cell", self.cell, "of recurrent layers (luong): lstm, gru, rnn");
    each("input-feeding", self.input_feeding, "the decoder reads its last attentional state too (luong)");
    each("attention-window", self.attention_window,
         "what the decoder sees of the source (luong): global, local-m, local-p");
    each("window-reach", self.window_reach, "tokens on each side that a local attention window reaches");
    each("paper-initialisation", self.paper_initialisation,
         "start as Bahdanau et al. did (with embedding-scale = false): small, attention uniform");
    each("tied-embeddings", self.tied_embeddings, "none; decoder: target and output; all: source too");
    each("embedding-scale", self.embedding_scale, "multiply embeddings by sqrt(width)");
    each("survival", self.survival,
         "stochastic depth: in training a sequence keeps a branch of the last layer with this probability, rising to 1 "
         "towards the first");
    each("reversible", self.reversible,
         "two streams that sublayers add to in turn: the backward rebuilds activations, so that memory does not grow "
         "with layers (Reformer)");
    each("feed-forward-chunk", self.feed_forward_chunk,
         "tokens whose inner feed-forward activations are in memory at once, computed again in the backward; 0: all");
    each("embedding-norm", self.embedding_norm, "normalise embeddings plus positions (BERT does)");
    each("prediction-transform", self.prediction_transform,
         "a layer, activation and norm in front of a masked language model's output layer (BERT has them)");
    each("next-sentence", self.next_sentence,
         "masked language model: read two pieces of text, and learn whether the second follows the first");
    each("pooling", self.pooling,
         "what a text is classified by: the mean of its hidden states, the first one (of <s>) or the last one (of "
         "</s>)");
    each("binary-head", self.binary_head, "tell two labels by one logit and binary cross entropy");
    each("labels", self.labels, "classes; 0: as many as the training data has");
    each("image-size", self.image_size, "pixels, as 28 or, height and width, 28x20; empty: as the training images");
    each("image-channels", self.image_channels, "values of a pixel; 0: as the training images have");
    each("patch-size", self.patch_size, "pixels of a patch's side, which must divide the image's");
    each("dropout", self.dropout, "on residual branches");
    each("embedding-dropout", self.embedding_dropout, "on embeddings plus positions; -1: as dropout");
    each("attention-dropout", self.attention_dropout,
         "on attention weights, but for those of lsh, performer, linear and nystrom; -1: as dropout");
    each("activation-dropout", self.activation_dropout, "inside the feed-forward layers; -1: as dropout");
    each("initialiser", self.initialiser, "of weights, e.g. xavier_uniform, he_normal, normal(0.02), orthogonal");
    each("tokenizer", self.tokenizer,
         "unigram or bpe (SentencePiece); words: tokenised text as it is; characters or bytes, each a piece");
    each("vocab-size", self.vocab_size, "pieces of a vocabulary; for words and characters: at most");
    each("joint-vocabulary", self.joint_vocabulary, "one vocabulary for source and target");
    each("lowercase", self.lowercase, "lower-case all text first");
    each("embedding-initialiser", self.embedding_initialiser, "of embeddings; empty: normal(width^-0.5)");
  }
};

// Throws a UsageError naming the key, what was expected and what came (e.g. heads that do not divide the width).
void check_config(const ModelConfig& config);

// Whether the encoder or the decoder learns something by position (embeddings, or a mixer: MixerKind), so that no
// sequence may be longer than max-positions.
bool ends_at_max_positions(const ModelConfig& config);
bool decoder_ends_at_max_positions(const ModelConfig& config);
// Which it is, for a message: "positions = learned", or the mixer's word; where there is one.
std::string_view what_ends_at_max_positions(const ModelConfig& config);

// config.json, with the format's version. read_config refuses unknown keys.
std::string to_json(const ModelConfig& config);
ModelConfig read_config(const std::string& json, const std::string& where);

}  // namespace attune
